"""What a class says of itself decides how a run is resolved; another package's class can say all that ours say."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tt_scale.backends import ENGINES, PRM_KEYS, resolve
from tt_scale.base_classes import Weights
from tt_scale.bench.run.manifest import experiment, ignored_options
from tt_scale.bench.run.plan import problems_of
from tt_scale.config import Config
from tt_scale.engines.memory_check import GIB, needed_memory
from tt_scale.engines.model_dtypes import dtype_keys, loaded_models
from tt_scale.errors import ConfigError, MissingExtraError, ProblemSetError
from tt_scale.preflight import check_models, preflight
from tt_scale.prm.inspection.score_check import engines
from tt_scale.prm_eval.keys import reads_generator
from tt_scale.registry import BUILT_IN, family_backend, generator_class, is_own_name, own_names, prm_class

CODE = '''
from tt_scale import PRM, ProblemSetError
from tt_scale.generator.language_model import LanguageModel
from tt_scale.generator.simulated import SimulatedGenerator


class Bare(PRM):
    """Of before there were attributes."""

    @classmethod
    def from_config(cls, config, generator):
        return cls()

    async def score(self, problem, paths):
        return []


class Essay(Bare):
    """A family that writes, on the engine of the generator."""

    names = ("essayprm", "essay-prm")
    engine = "generator"
    config_keys = frozenset({"prm_args", "prm_quality"})


class Critic(Essay):
    """The generator judges itself."""

    names = ()
    own_name = "critic"


class Server(Bare):
    """On a server."""

    uses_generator = False
    config_keys = PRM.config_keys | {"prm_url"}

    @classmethod
    def weights(cls, config):
        return ()


class Layers(Bare):
    """On Transformers."""

    engine = "huggingface"
    uses_generator = False


class Forking(Bare):
    """In processes of its own."""

    starts_processes = True


class Tokens(Bare):
    """Of the tokens of this run."""

    own_name = "tokens"
    reads_samples = True
    top_logprobs = 1


class Writer(LanguageModel):
    """A language model on vLLM."""

    engine = "vllm"
    can_score = True

    @classmethod
    def from_config(cls, config):
        return cls()

    async def generate(self, requests):
        return []

    async def choose(self, prompts, choices):
        return []


class Foreign(Writer):
    """A language model on an engine of its own."""

    engine = ""
    can_score = False


class Slow(SimulatedGenerator):
    """Of before: under any model's name."""


class Maze(SimulatedGenerator):
    """Another world, with a PRM of its name."""

    own_name = "maze"
    default_context = 777

    @classmethod
    def check_problem(cls, problem):
        raise ProblemSetError("This is no maze.")


class MazePRM(Bare):
    """The PRM of that world."""

    own_name = "maze"
'''
ENTRY_POINTS = """
[tt_scale.prms]
bare = capable:Bare
essay = capable:Essay
critic = capable:Critic
server = capable:Server
layers = capable:Layers
forking = capable:Forking
tokens = capable:Tokens
maze = capable:MazePRM
gone = capable:Gone

[tt_scale.generators]
writer = capable:Writer
foreign = capable:Foreign
slow = capable:Slow
maze = capable:Maze
"""


@pytest.fixture(autouse=True)
def capable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package with classes that use every attribute, and one that does not load."""
    site = tmp_path / "site"
    (site / "capable-1.0.dist-info").mkdir(parents=True)
    (site / "capable.py").write_text(CODE)
    (site / "capable-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: capable\nVersion: 1.0\n")
    (site / "capable-1.0.dist-info" / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setattr("tt_scale.backends.find_spec", lambda name: name == "vllm")
    yield
    sys.modules.pop("capable", None)


def found(**keys: Any) -> tuple[str, str]:
    models = resolve(Config(**{"model_name": "a/b-3B", "generator": "vllm", **keys}))
    return models.generator.backend, models.prm_backends


@pytest.mark.parametrize(
    ("keys", "prm"),
    [
        ({"prm_name": "x/EssayPRM-7B"}, "essay"),
        ({"prm_name": "x/Essay-PRM"}, "essay"),
        ({"prm_name": "x/EssayPRM-7B", "prm_adapter": "versa"}, "vllm"),  # an adapter was named
        ({"prm_name": "critic"}, "critic"),
        ({"prm_name": "critic, x/y-PRM", "prm": "huggingface"}, "critic, huggingface"),
        ({"prm_name": "bare"}, "vllm"),  # without a name of its own it is a model's
        ({"prm_name": "bare", "prm": "bare"}, "bare"),
        ({"prm_name": "a/b-3B"}, "generator"),
        ({"prm_name": "a/b-3B", "generator": "writer"}, "generator"),
        ({"prm_name": "a/b-3B", "generator": "foreign"}, "vllm"),
        ({"prm_name": "x/y-PRM", "generator": "writer"}, "vllm"),
        ({"prm_name": "x/y-PRM", "generator": "maze", "model_name": "maze"}, "maze"),
    ],
)
def test_a_prm_is_found(keys: dict[str, Any], prm: str) -> None:
    """By its own name, the name of its model, the generator's model, or the generator's name."""
    assert found(**keys)[1] == prm


def test_a_generator_is_found_by_its_own_name() -> None:
    assert found(generator="auto", model_name="maze", prm_name="maze") == ("maze", "maze")
    assert found(generator="auto", model_name="slow", prm_name="none") == ("vllm", "none")


def weights(**keys: Any) -> list[Weights]:
    models = resolve(Config(**{"model_name": "a/b-3B", "generator": "vllm", **keys}))
    return [each for prm in models.prms for each in prm.weights]


def test_what_is_loaded_and_by_which_engine() -> None:
    """Memory, number types and the shares of the cores are counted by it."""
    assert weights(prm_name="critic") == weights(prm_name="tokens") == weights(prm="server", prm_name="x/y") == []
    assert weights(prm_name="a/b-3B", prm="critic") == []  # the generator itself
    assert weights(prm_name="x/y", prm="critic", prm_revision="v1") == [Weights("x/y", "v1", "vllm")]
    assert weights(prm_name="x/y", prm="critic", generator="foreign") == [Weights("x/y")]
    assert weights(prm_name="x/y", prm="layers") == [Weights("x/y", None, "huggingface")]
    assert weights(prm_name="x/y", prm="bare") == [Weights("x/y")]  # what it loads is not known
    eurus = weights(prm_name="x/EurusPRM-1", generator="foreign")
    assert [each.engine for each in eurus] == ["vllm", "vllm"]  # the installed one


def test_memory_and_types_follow_the_engine() -> None:
    config = Config(model_name="a/b-3B", generator="writer", prm_name="x/y-7B", prm="layers", dtype="float32")
    models = resolve(config)
    assert [(each.role, each.target.engine) for each in loaded_models(models)] == [
        ("generator", "vllm"),
        ("PRM", "huggingface"),
    ]
    assert dtype_keys(models) == {"dtype": "float32"}
    assert needed_memory(models) == pytest.approx(4 * 10e9 + (0.4 + 0.5 + config.kv_cache_gib) * GIB)
    assert needed_memory(resolve(Config(model_name="maze", prm_name="maze"))) == 0


@pytest.mark.parametrize(
    ("prm", "unread"),
    [
        ("bare", ["prm_quality"]),
        ("essay", ["prm_adapter", "prm_device", "prm_max_model_len"]),
        ("simulated", ["prm_adapter", "prm_device", "prm_max_model_len"]),
    ],
)
def test_keys_that_are_not_read_are_told_and_left_out(prm: str, unread: list[str]) -> None:
    """The digest of a run must not depend on what nothing reads."""
    given = {"prm_adapter": "versa", "prm_device": "cpu", "prm_max_model_len": 99, "prm_quality": 0.1}
    name = "simulated" if prm == "simulated" else "x/y"
    config = Config(model_name="simulated", method="best_of_n", prm=prm, prm_name=name, **given)
    assert ignored_options(config) == unread
    assert not set(unread) & set(experiment(config, "s", [], "g"))


def test_keys_of_the_judge_identify_a_run_once_they_are_set() -> None:
    """Digests of runs without them stay as they were."""
    unset = Config(model_name="x/y", generator="huggingface", prm_name="judge")
    wider = unset.changed(prm_max_model_len=4096)
    assert "prm_max_model_len" not in experiment(unset, "s", [], "g")
    assert experiment(wider, "s", [], "g")["prm_max_model_len"] == 4096
    assert ignored_options(wider) == []


@pytest.mark.parametrize(
    ("keys", "reads"),
    [
        ({"prm_name": "x/y", "prm": "bare"}, True),  # it might
        ({"prm_name": "x/y", "prm": "layers"}, False),
        ({"prm_name": "x/y", "prm": "server"}, False),
        ({"prm_name": "critic"}, True),
        ({"prm_name": "x/EssayPRM"}, False),  # a second one is loaded
        ({"prm_name": "a/b-3B"}, True),  # its own engine scores
        ({"prm_name": "x/EssayPRM, tokens"}, True),
    ],
)
def test_who_needs_the_generator_started(keys: dict[str, Any], reads: bool) -> None:
    assert reads_generator(resolve(Config(model_name="a/b-3B", generator="vllm", **keys))) is reads


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"prm_name": "x/y", "prm": "tokens"}, "The PRM is 'tokens', but prm_name is 'x/y'"),
        ({"generator": "maze"}, "The generator is 'maze', but model_name is 'a/b-3B'"),
        ({"prm_name": "tokens", "prm": "layers"}, "prm_name is 'tokens', which has no weights of its own"),
        ({"prm_name": "x/y", "prm": "layers", "prm_url": "http://x"}, "which uses no server"),
    ],
)
def test_names_that_do_not_belong_together(keys: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        check_models(resolve(Config(**{"model_name": "a/b-3B", "generator": "foreign", "prm_name": "none", **keys})))


def test_names_that_do() -> None:
    """A subclass of the simulated world runs under any name, as it did before classes had names."""
    for keys in (
        {"generator": "slow", "prm_name": "x/y", "prm": "bare"},
        {"generator": "foreign", "prm_name": "x/y", "prm": "critic"},
        {"generator": "foreign", "prm_name": "x/y", "prm": "server", "prm_url": "http://x"},
    ):
        check_models(resolve(Config(model_name="anything", **keys)))


def test_processes_are_guarded_under_the_backend_s_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A script that would begin anew in each process is refused before one is started."""
    asked: list[str] = []
    monkeypatch.setattr("tt_scale.preflight.check_main_guard", asked.append)
    check_models(resolve(Config(model_name="a/b", generator="vllm", prm_name="x/y", prm="forking")))
    assert asked == ["vLLM", "The backend 'forking'"]


def test_a_world_knows_its_problems_and_its_context() -> None:
    config = Config(model_name="maze", prm_name="maze", max_model_len=None, num_samples=1)
    assert preflight(config).max_model_len == 777
    with pytest.raises(ProblemSetError, match="no maze"):
        problems_of(config, "simulated")


def test_prm_check_knows_a_judge_and_a_family() -> None:
    assert engines(Config(prm_name="critic", model_name="a/b")) == ["vllm"]
    with pytest.raises(ConfigError, match="runs on the backend 'essay'"):
        engines(Config(prm_name="x/EssayPRM"))
    with pytest.raises(ConfigError, match="no model behind the PRM 'tokens'"):
        engines(Config(prm_name="tokens"))
    with pytest.raises(ConfigError, match="'maze' is not one"):
        engines(Config(prm_name="critic", model_name="maze"))


def test_a_class_that_does_not_load_hides_no_other() -> None:
    """The families are asked one after the other; a fault of another package must not end every run."""
    assert family_backend("x/EssayPRM") == "essay"
    assert family_backend("x/unknown") == ""
    assert own_names("prms") == ["confidence", "critic", "judge", "maze", "simulated", "tokens"]
    with pytest.raises(ConfigError, match="cannot be loaded"):
        is_own_name("prms", "gone")


def test_a_backend_that_does_not_exist_is_named_at_once() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'critic'"):
        resolve(Config(model_name="simulated", prm="criticc"))


def test_no_engine_is_told_only_where_one_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tt_scale.backends.find_spec", lambda name: None)
    assert resolve(Config(model_name="maze", prm_name="tokens")).prm_backends == "tokens"
    with pytest.raises(MissingExtraError):
        resolve(Config(model_name="a/b", prm_name="none"))
    with pytest.raises(MissingExtraError):
        resolve(Config(model_name="slow", generator="slow", prm_name="x/y"))


def test_our_own_classes_say_what_can_be_said() -> None:
    """A misspelt engine or key would be believed."""
    for name in BUILT_IN["prms"]:
        prm = prm_class(name)
        assert prm.own_name in ("", name)
        assert prm.engine in ("", "auto", "generator", *ENGINES)
        assert prm.config_keys | prm.config_keys_if_set <= PRM_KEYS | {"prm_url"}
        assert all(each == each.lower() for each in prm.names)
    for name in BUILT_IN["generators"]:
        generator = generator_class(name)
        assert generator.own_name in ("", name)
        assert generator.engine in ("", *ENGINES)
    assert {key for key in PRM_KEYS if key not in Config.model_fields} == set()
