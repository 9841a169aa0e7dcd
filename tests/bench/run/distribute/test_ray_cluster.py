"""Runs on a Ray cluster: what they leave is what a local run leaves, whoever dies."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import Answer, finish, read_journal, records, start, without_seconds
from outside import install

from tt_scale.config import Config
from tt_scale.problems import load_problems
from tt_scale.problems.simulated import parse_question

pytestmark = pytest.mark.ray

SIMULATED = ("--prm-name", "simulated", "--prm", "simulated", "--dataset", "simulated", "--run-tag", "t")
SLOW = ("bench", "--model-name", "slow", "--generator", "slow", *SIMULATED, "--num-samples", "40")
FRAGILE = ("bench", "--model-name", "fragile", "--generator", "fragile", *SIMULATED, "--num-samples", "12")
RAY = ("--distribute", "ray", "--concurrency", "2")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("site"))


class Nodes:
    """A cluster on this machine: a head without cores, and nodes of one core each that can be killed."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self.cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        self.nodes: list[Any] = []

    def have(self, count: int) -> None:
        while len(self.nodes) < count:
            self.nodes.append(self.cluster.add_node(num_cpus=1, num_gpus=1))
        self.cluster.wait_for_nodes()

    def kill(self) -> None:
        self.cluster.remove_node(self.nodes.pop(), allow_graceful=False)


@pytest.fixture(scope="module")
def nodes(site: Path) -> Iterator[Nodes]:
    pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OUTSIDE_SECONDS", "0.1")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")]))
        found = Nodes()
        yield found
        found.cluster.shutdown()


def folder_of(parent: Path, name: str) -> Path:
    (parent / name).mkdir(parents=True)
    return parent / name


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, site: Path) -> Path:
    """A local run that nothing interrupted."""
    folder = folder_of(tmp_path_factory.mktemp("local"), "whole")
    assert finish(start(*SLOW, folder=folder, site=site), folder).status == 0
    return folder


def lines_of(folder: Path) -> int:
    journals = list(folder.rglob("problems.jsonl"))
    return journals[0].read_bytes().count(b"\n") if journals else 0


def wait_for_lines(folder: Path, count: int) -> None:
    end = time.monotonic() + 240
    while lines_of(folder) < count:
        assert time.monotonic() < end, (folder / "err.txt").read_text() + (folder / "out.txt").read_text()
        time.sleep(0.05)


def ended(*arguments: str, folder: Path, site: Path, **variables: str) -> Answer:
    return finish(start(*arguments, folder=folder, site=site, **variables), folder, 300)


def manifest(folder: Path) -> dict[str, Any]:
    (path,) = folder.rglob("manifest.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_a_node_is_killed_in_the_middle(tmp_path: Path, site: Path, nodes: Nodes, whole: Path) -> None:
    """Its searches are done by the other node: nothing is lost, nothing is doubled, and the run folder is the same."""
    nodes.have(2)
    folder = folder_of(tmp_path, "cluster")
    run = start(*SLOW, *RAY, "--replicas", "2", "--ray-address", nodes.cluster.address, folder=folder, site=site)
    wait_for_lines(folder, 5)
    nodes.kill()
    answer = finish(run, folder, 300)
    assert (answer.status, answer.err) == (0, "")
    assert "died: " in answer.out
    assert records(folder) == records(whole)
    assert manifest(folder)["digest"] == manifest(whole)["digest"]
    assert [path.name for path in sorted(folder.rglob("logs/t/*"))] == [
        path.name for path in sorted(whole.rglob("logs/t/*"))
    ]


@pytest.mark.parametrize("first", ["local", "cluster"])
def test_a_run_that_was_killed_goes_on_elsewhere(
    tmp_path: Path, site: Path, nodes: Nodes, whole: Path, first: str
) -> None:
    """Begun on one machine and continued on a cluster, and the other way round; the driver dies without a word."""
    nodes.have(1)
    folder = folder_of(tmp_path, first)
    on = {"local": ("--concurrency", "2"), "cluster": (*RAY, "--ray-address", nodes.cluster.address)}
    process = start(*SLOW, *on[first], folder=folder, site=site, OUTSIDE_SECONDS="0.1")
    wait_for_lines(folder, 5)
    process.send_signal(signal.SIGKILL)
    process.wait(60)
    assert 5 <= lines_of(folder) < 40
    answer = ended(*SLOW, *on["cluster" if first == "local" else "local"], folder=folder, site=site)
    assert (answer.status, answer.err) == (0, "")
    assert re.search(r"Done before: \d+ of 40", answer.out)
    assert records(folder) == records(whole)


def test_a_driver_that_is_terminated_takes_its_replicas_along(tmp_path: Path, site: Path, nodes: Nodes) -> None:
    """Within the ten seconds of any command, with its own exit status, though Ray has a handler for the signal."""
    nodes.have(1)
    folder = folder_of(tmp_path, "terminated")
    run = start(*SLOW, *RAY, "--ray-address", nodes.cluster.address, folder=folder, site=site)
    wait_for_lines(folder, 3)
    run.send_signal(signal.SIGTERM)
    answer = finish(run, folder, 30)
    assert (answer.status, answer.err) == (
        143,
        "tt-scale: terminated. Finished work is kept; the same command resumes from there.\n",
    )


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (
            ("--replicas", "3", "--replica-cpus", "1"),
            r"3 replicas of 1 core and 1 GPU each were asked for; .*--replicas 1",
        ),
        (
            ("--generator-gpus", "4"),
            r"1 replica of 1 core and 4 GPUs were asked for; .*room for 0\. Start larger nodes",
        ),
    ],
)
def test_more_than_there_is(tmp_path: Path, site: Path, nodes: Nodes, flags: tuple[str, ...], told: str) -> None:
    nodes.have(1)
    folder = folder_of(tmp_path, "more")
    answer = ended(*SLOW, *RAY, "--ray-address", nodes.cluster.address, *flags, folder=folder, site=site)
    assert answer.status == 2
    assert re.search(told, answer.err)
    assert answer.err.count("\n") == 1


@pytest.mark.parametrize("address", ["127.0.0.1:1", "somewhere"])
def test_an_address_without_a_cluster(tmp_path: Path, site: Path, address: str) -> None:
    """Ray itself waits for minutes, and then prints a page."""
    folder = folder_of(tmp_path, "nowhere")
    began = time.monotonic()
    answer = ended(*SLOW, *RAY, "--ray-address", address, folder=folder, site=site)
    assert answer.status == 2
    assert repr(address) in answer.err
    assert answer.err.count("\n") == 1
    assert time.monotonic() - began < 120


def deaths(tmp_path: Path, count: int) -> dict[str, str]:
    """So many times the sixth problem ends the process that searches it."""
    folder = folder_of(tmp_path, "deaths")
    for number in range(count):
        (folder / str(number)).touch()
    sixth = load_problems("simulated", num_samples=12, seed=Config().seed)[5]
    return {"OUTSIDE_DEATHS": str(folder), "OUTSIDE_NUMBER": str(parse_question(sixth.question).number)}


def test_a_replica_that_dies_is_replaced(tmp_path: Path, site: Path) -> None:
    """On a cluster that the run starts itself; the problem that it died of is searched again."""
    local, folder = folder_of(tmp_path, "local"), folder_of(tmp_path, "ray")
    assert ended(*FRAGILE, folder=local, site=site).status == 0
    answer = ended(*FRAGILE, *RAY, "--ray-address", "local", folder=folder, site=site, **deaths(tmp_path, 2))
    assert (answer.status, answer.err) == (0, "")
    assert answer.out.count("Replica 1 died: ") == 2
    assert records(folder) == records(local)


def test_a_problem_that_kills_every_replica_ends_the_run(tmp_path: Path, site: Path) -> None:
    """It stops after three, says which problem, and goes on once the cause is gone."""
    local, folder = folder_of(tmp_path, "local"), folder_of(tmp_path, "ray")
    answer = ended(*FRAGILE, *RAY, "--ray-address", "local", folder=folder, site=site, **deaths(tmp_path, 9))
    assert answer.status == 3
    assert re.search(r"died 3 times in a row|was begun 3 times, and each time its replica died", answer.err)
    assert "Finished work is kept" in answer.err
    assert "Traceback" not in answer.err + answer.out
    resumed = ended(*FRAGILE, folder=folder, site=site)
    assert resumed.status == 0
    assert ended(*FRAGILE, folder=local, site=site).status == 0
    assert records(folder) == records(local)


def searches(folder: Path) -> dict[str, dict[tuple[str, int], dict[str, Any]]]:
    """The records of all runs below a folder, without what depends on the clock."""
    found: dict[str, dict[tuple[str, int], dict[str, Any]]] = {}
    for path in folder.rglob("problems.jsonl"):
        lines = read_journal(path.parent)
        for line in lines:
            without_seconds(line)
        found[path.parent.name] = {(line["id"], line["repeat"]): line for line in lines}
        assert len(found[path.parent.name]) == len(lines), "a search was done twice"
    return found


METHODS = ("--method", "collective", "--method", "best_of_n", "--tau", "q0.5")
WORLD = ("--model-name", "simulated", *SIMULATED, "--num-samples", "12", "--temperature", "0.7", "--temp-origin", "0.7")


def first_table(answer: Answer) -> list[list[str]]:
    """The words of the first table's lines but for the seconds of a search."""
    lines = answer.out[answer.out.index("Budget") :].split("\n\n")[0].splitlines()
    return [[word for word in line.split() if not re.fullmatch(r"\d+\.\d\d", word)] for line in lines]


@pytest.mark.parametrize("limit", [(), ("--minutes", "60")])
def test_compare_finds_the_same(tmp_path: Path, site: Path, nodes: Nodes, limit: tuple[str, ...]) -> None:
    """Several runs, one of them with a quantile as tau, one after the other and interleaved."""
    nodes.have(2)
    local, folder = folder_of(tmp_path, "local"), folder_of(tmp_path, "ray")
    command = ("compare", *WORLD, *METHODS, "--budget", "2,4", *limit)
    one = ended(*command, folder=local, site=site)
    other = ended(*command, *RAY, "--replicas", "2", "--ray-address", nodes.cluster.address, folder=folder, site=site)
    assert (one.status, other.status, other.err) == (0, 0, "")
    assert searches(local) == searches(folder)
    assert len(searches(folder)) == 3
    assert first_table(one) == first_table(other)


def test_sweep_finds_the_same(tmp_path: Path, site: Path, nodes: Nodes) -> None:
    nodes.have(2)
    local, folder = folder_of(tmp_path, "local"), folder_of(tmp_path, "ray")
    for each in (local, folder):
        (each / "grid.yaml").write_text("tau: [0.3, q0.5]\n")
    command = ("sweep", *WORLD, "--method", "collective", "--grid", "grid.yaml", "--concurrency", "2")
    one = ended(*command, folder=local, site=site)
    other = ended(*command, *RAY, "--replicas", "2", "--ray-address", nodes.cluster.address, folder=folder, site=site)
    assert (one.status, other.status, other.err) == (0, 0, "")
    assert searches(local) == searches(folder)
    assert (local / "logs/t/recipe.yaml").read_bytes() == (folder / "logs/t/recipe.yaml").read_bytes()
