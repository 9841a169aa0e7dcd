"""What a replica needs, whether it fits, and what is refused before Ray is started."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from commands import BENCH, Command

from tt_scale.backends import resolve
from tt_scale.bench.run.distribute import requirements as module
from tt_scale.bench.run.distribute.cluster import Node, cores_of_each, require_room
from tt_scale.bench.run.distribute.requirements import Requirements, check_distribution, replica_config, requirements
from tt_scale.config import Config
from tt_scale.errors import ConfigError, MissingExtraError
from tt_scale.models import open_models

MODELS = {"model_name": "pocket-gen", "generator": "vllm", "prm_name": "pocket-prm", "prm": "vllm"}


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(capsys)


@pytest.fixture
def with_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is refused is refused before Ray is imported, so that it need not be there."""
    monkeypatch.setattr(module, "find_spec", lambda name: object())


def distributed(**keys: Any) -> Config:
    return Config(**{**MODELS, "distribute": "ray", **keys})


def test_without_ray_one_line_names_the_extra(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    answer = command(*BENCH, "--num-samples", "3", "--distribute", "ray")
    assert answer.status == 2
    assert answer.err == (
        "tt-scale: --distribute ray needs the package 'ray', which is not installed. "
        "Type: pip install 'tt-scale[ray]'\n"
    )


def test_without_ray_it_is_an_error_of_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError):
        check_distribution(distributed())
    check_distribution(Config(**MODELS))  # who does not ask for it is not asked


@pytest.mark.parametrize(
    "flags", [("--replicas", "4"), ("--ray-address", "auto"), ("--generator-gpus", "1"), ("--replica-cpus", "2")]
)
def test_a_key_of_replicas_without_distribute_is_refused(command: Command, flags: tuple[str, ...]) -> None:
    """Accepted and ignored, it would leave a cluster idle."""
    answer = command(*BENCH, *flags)
    assert answer.status == 2
    assert answer.err.endswith("but searches take place in this process. Type: --distribute ray.\n")


def test_replicas_are_switched_off_by_one_flag() -> None:
    """As on a laptop, with the YAML of a cluster."""
    assert Config(**MODELS, replicas=4, distribute="none").replicas == 4


@pytest.mark.parametrize("name", ["solve", "prm-eval", "calibrate"])
def test_only_commands_that_distribute_have_the_flag(command: Command, name: str) -> None:
    answer = command(name, "question", "--distribute", "ray")
    assert answer.status == 2
    assert "--distribute" in answer.err


def test_a_file_for_a_cluster_serves_one_question_here(tmp_path: Path, command: Command) -> None:
    """Nobody keeps two files."""
    keys = {"distribute": "ray", "replicas": 4, "model_name": "simulated", "prm_name": "simulated", "method": "greedy"}
    (tmp_path / "cluster.yaml").write_text("".join([f"{key}: {value}\n" for key, value in keys.items()]))
    answer = command("solve", "Simulated problem 7: level 3, 5 steps.", "--config", str(tmp_path / "cluster.yaml"))
    assert answer.status == 0, answer.err


async def test_no_models_are_opened_here_for_replicas() -> None:
    """Python code that opened them would not notice that it runs alone."""
    with pytest.raises(ConfigError, match="Leave out distribute"):
        async with open_models(Config(model_name="simulated", prm_name="simulated", distribute="ray")):
            pass


def test_doctor_checks_what_is_asked_of_a_cluster(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    answer = command("doctor", "--model-name", "simulated", "--prm-name", "simulated", "--distribute", "ray")
    assert answer.status == 2
    assert "tt-scale[ray]" in answer.err


@pytest.mark.usefixtures("with_ray")
@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"ray_address": "ray://head:10001"}, "Run the command on a node, and type: --ray-address auto"),
        ({"generator_gpus": 1, "prm_gpus": 0.5}, "generator_gpus is 1 and prm_gpus 0.5: fractions are of one GPU"),
        ({"generator_gpus": 1.5}, "fractions are of one GPU"),
        ({"generator_gpus": 1, "tensor_parallel_size": 2}, "Type: --generator-gpus 2"),
        ({"generator_gpus": 0.25, "prm_gpus": 0.25}, "gpu_mem_util is 0.5 and prm_gpu_mem_util is 0.4"),
        ({"generator_gpus": 0.25, "gpu_mem_util": 0.2}, "A replica has 0.25 of a GPU"),
    ],
)
def test_what_no_cluster_could_run(keys: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        check_distribution(distributed(**keys))
    assert told in str(refused.value)


@pytest.mark.usefixtures("with_ray")
@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"generator_gpus": 2, "tensor_parallel_size": 2},
        {"generator_gpus": 1, "prm_gpus": 1},
        {"generator_gpus": 0.6, "prm_gpus": 0.4},
        {"generator_gpus": 0.5, "gpu_mem_util": 0.25, "prm_gpu_mem_util": 0.2},
    ],
)
def test_what_a_cluster_can_run(keys: dict[str, Any]) -> None:
    check_distribution(distributed(**keys))


def test_gpus_by_default_are_those_of_a_local_run() -> None:
    models = resolve(distributed(tensor_parallel_size=2))
    assert requirements(models, has_gpus=True) == Requirements(2.0, 0.0, None)
    assert requirements(models, has_gpus=False) == Requirements(0.0, 0.0, None)
    simulated = resolve(Config(model_name="simulated", prm_name="simulated", distribute="ray"))
    assert requirements(simulated, has_gpus=True).gpus == 0


def test_a_prm_with_gpus_of_its_own_is_on_them() -> None:
    """It would share the first GPU with the generator, and the others would be idle."""
    config = distributed(generator_gpus=2, prm_gpus=1)
    needs = requirements(resolve(config), has_gpus=True)
    assert needs.gpus == 3
    assert replica_config(config, needs).prm_device == "cuda:2"
    shared = distributed(generator_gpus=0.5, prm_gpus=0.5)
    assert replica_config(shared, requirements(resolve(shared), has_gpus=True)).prm_device is None
    assert replica_config(config, needs).distribute == "none"


@pytest.mark.parametrize(
    ("cpus", "replicas", "share"),
    [((2,), 1, 2), ((2,), 2, 1), ((2,), 16, 0.125), ((4, 4, 2), 3, 2), ((4, 4, 2), 5, 2), ((8, 1), 2, 4)],
)
def test_replicas_share_the_cores(cpus: tuple[int, ...], replicas: int, share: float) -> None:
    """The largest equal share with which all fit, each whole on one node."""
    nodes = [Node("10.0.0.1", count, 0) for count in cpus]
    assert cores_of_each(nodes, Requirements(0, 0, None), replicas) == share
    require_room(nodes, share, 0, replicas)


def test_what_was_asked_and_what_there_is() -> None:
    nodes = [Node("10.0.0.1", 8, 1), Node("10.0.0.2", 8, 2)]
    require_room(nodes, 1, 1, 3)
    with pytest.raises(ConfigError) as refused:
        require_room(nodes, 1, 1, 4)
    assert str(refused.value) == (
        "4 replicas of 1 core and 1 GPU each were asked for; the Ray cluster has 2 nodes (10.0.0.1: 8 cores and 1 GPU, "
        "10.0.0.2: 8 cores and 2 GPUs), with room for 3. Type: --replicas 3"
    )
    with pytest.raises(ConfigError, match=r"room for 0\. Start larger nodes"):
        require_room(nodes, 1, 3, 1)  # three GPUs there are, but not on one node


def test_no_fraction_lies_on_two_gpus() -> None:
    """0.4 fit twice on a GPU: on two of them four times, not five."""
    nodes = [Node("10.0.0.1", 8, 2)]
    require_room(nodes, 1, 0.4, 4)
    with pytest.raises(ConfigError, match="room for 4"):
        require_room(nodes, 1, 0.4, 5)
