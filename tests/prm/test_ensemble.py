"""Several PRMs as one: how scores become one, what travels with them, and how they start and end."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from worlds import sim_problem

from tt_scale.backends import resolve
from tt_scale.base_classes import PRM, Generator, Problem, Scores, Step
from tt_scale.bench.record import search_record
from tt_scale.bench.run.manifest import experiment
from tt_scale.config import Config
from tt_scale.core.path import Path
from tt_scale.errors import ConfigError, PRMError
from tt_scale.generator.simulated import SimulatedGenerator
from tt_scale.grading import Grader
from tt_scale.prm.ensemble import EnsemblePRM, ranks
from tt_scale.prm.simulated import SimulatedPRM
from tt_scale.searcher.beam_search import BeamSearch
from tt_scale.space.search_space import SearchSpace

PROBLEM = Problem("p", "What is 1 + 1?", "2")


class Told(PRM):
    """Gives each step the next of its scores; 10 tokens for each path, 4 of them cached."""

    def __init__(
        self, values: Sequence[float], parameters: int = 5, log: list[str] | None = None, name: str = ""
    ) -> None:
        self.values = values
        self._of = parameters
        self.log = [] if log is None else log
        self.name = name
        self.too_long = -1

    @classmethod
    def from_config(cls, config: Config, generator: Generator) -> Told:
        raise NotImplementedError

    async def start(self) -> None:
        self.log.append(f"start {self.name}")
        self.parameters = self._of
        if self.name == "broken":
            raise PRMError("no weights")

    async def close(self) -> None:
        self.log.append(f"close {self.name}")
        if self.name == "stuck":
            raise PRMError("cannot close")

    async def score(self, problem: Problem, paths: Sequence[Path]) -> list[Scores]:
        drawn = itertools.cycle(self.values)
        return [
            Scores((), 10, 4, too_long=True)
            if number == self.too_long
            else Scores(tuple([next(drawn) for _ in path.steps[len(path.scores) :]]), 10, 4)
            for number, path in enumerate(paths)
        ]


def path_of(steps: int, scored: int = 0) -> Path:
    return Path((0,), (Step("x\n\n", (1,), "stop"),) * steps, (0.5,) * scored)


ONE_STEP_EACH = [path_of(1), path_of(2, 1), path_of(1)]


@pytest.mark.parametrize(
    ("combine", "expected"),
    [
        ("mean", [0.5, 0.45, 0.6]),
        ("min", [0.2, 0.4, 0.4]),
        ("product", [0.16, 0.2, 0.32]),
        # ranks by the first: 0, 1/2, 1; by the second: 1, 1/4, 1/4 (two that tie share two places)
        ("rank-mean", [0.5, 0.375, 0.625]),
    ],
)
async def test_by_hand(combine: str, expected: list[float]) -> None:
    prm = EnsemblePRM({"a": Told([0.2, 0.5, 0.8]), "b": Told([0.8, 0.4, 0.4])}, combine)
    await prm.start()
    found = await prm.score(PROBLEM, ONE_STEP_EACH)
    assert [each.values[0] for each in found] == pytest.approx(expected)
    assert [each.parts for each in found] == [
        {"a": (0.2,), "b": (0.8,)}, {"a": (0.5,), "b": (0.4,)}, {"a": (0.8,), "b": (0.4,)}
    ]  # fmt: skip


def test_ranks_do_not_know_the_scale() -> None:
    """Scores of an implicit PRM lie in another range; any growing function of them gives the same ranks."""
    values = [0.3, 0.9, 0.3, 0.1, 0.5]
    assert ranks(values) == [3 / 8, 1.0, 3 / 8, 0.0, 3 / 4]
    assert ranks([value**7 for value in values]) == ranks(values)
    assert ranks([0.7]) == [0.5]
    assert ranks([]) == []
    assert ranks([0.4] * 3) == [0.5] * 3


async def test_costs_add_up() -> None:
    """FLOPs by the sum of parameters would charge every token to every model."""
    prm = EnsemblePRM({"a": Told([0.5], parameters=7), "b": Told([0.5], parameters=1)})
    await prm.start()
    [found] = await prm.score(PROBLEM, [path_of(3)])
    assert (found.tokens, found.cached, found.flops) == (20, 8, 2 * 7 * 6 + 2 * 1 * 6)
    assert prm.parameters == 8


async def test_what_one_cannot_read_is_too_long_for_all() -> None:
    """Its scores must not slip into the places of the next path."""
    short = Told([0.1, 0.2])
    short.too_long = 0
    prm = EnsemblePRM({"a": short, "b": Told([0.9, 0.5, 0.4])}, "min")
    await prm.start()
    long, fits = await prm.score(PROBLEM, [path_of(1), path_of(2)])
    assert (long.too_long, long.values, long.parts) == (True, (), {})
    assert long.tokens == 20
    assert fits.values == (0.1, 0.2)
    assert fits.parts == {"a": (0.1, 0.2), "b": (0.5, 0.4)}


async def test_a_member_that_miscounts_is_named() -> None:
    class Few(Told):
        async def score(self, problem: Problem, paths: Sequence[Path]) -> list[Scores]:
            return [Scores((0.5,)) for _ in paths]

    prm = EnsemblePRM({"good": Told([0.5]), "few": Few([])})
    with pytest.raises(PRMError, match=r"'few' returned 1 scores for 2 new steps"):
        await prm.score(PROBLEM, [path_of(2)])


async def test_one_after_the_other_and_closed_on_every_way_out() -> None:
    """A start that fails, or a member that does not close, must not leave an engine behind."""
    log: list[str] = []
    prm = EnsemblePRM({name: Told([0.5], log=log, name=name) for name in ("a", "stuck", "broken", "d")})
    with pytest.raises(PRMError, match="no weights"):
        await prm.start()
    with pytest.raises(PRMError, match="cannot close"):
        await prm.close()
    assert log == ["start a", "start stuck", "start broken", "close d", "close broken", "close stuck", "close a"]


async def test_each_says_its_part_in_the_record() -> None:
    """The tree must tell which PRM liked what; with one PRM it says nothing more than before."""
    config = Config(model_name="simulated", prm_name="simulated", max_steps=4)
    generator = SimulatedGenerator()
    members = {name: SimulatedPRM(0.6, seed, generator) for name, seed in (("a", 1), ("b", 2))}
    trees = []
    for prm in (EnsemblePRM(members), members["a"]):
        space = SearchSpace(sim_problem(), generator, prm, config)
        outcome = await BeamSearch.from_config(config).search(space)
        with Grader() as grader:
            record = await search_record(0, 0, space, outcome, "best", grader)
        trees.append(record["tree"])
    nodes = [node for node in trees[0] if node["scores"]]
    assert len(nodes) > 5
    for node in nodes:
        parts = node["parts"]
        assert node["scores"][-1] == pytest.approx((parts["a"][-1] + parts["b"][-1]) / 2)
        assert parts["a"] != parts["b"]
    assert not any("parts" in node for node in trees[1])


@pytest.mark.parametrize("given", [["judge", "x/y-PRM"], "judge,x/y-PRM", " judge , x/y-PRM,", ("judge", "x/y-PRM")])
def test_named_as_list_or_text(given: Any) -> None:
    """Tables, CSV files and folders show one text, however it was written."""
    config = Config(prm_name=given, generator="huggingface")
    assert config.prm_name == "judge, x/y-PRM"
    models = resolve(config)
    assert models.generator.backend == "huggingface"
    assert [(each.name, each.backend) for each in models.prms] == [
        ("judge", "judge"),
        ("x/y-PRM", "huggingface"),
    ]
    assert experiment(config, "d", [], "g")["prm"] == "judge, huggingface"
    assert Config(**config.model_dump()) == config


def test_each_has_its_adapter_and_knobs() -> None:
    config = Config(
        generator="vllm",
        prm_name=["judge", "x/y-PRM"],
        prm="vllm",
        prm_adapter=["auto", "binary-tag"],
        prm_args={"x/y-PRM": {"tag": "!"}},
    )
    judge, other = [each.config for each in resolve(config).prms]
    assert (judge.prm, judge.prm_adapter, judge.prm_args) == ("judge", "auto", {})
    assert (other.prm, other.prm_adapter, other.prm_args) == ("vllm", "binary-tag", {"tag": "!"})


def test_only_one_prm_stays_as_it_was() -> None:
    config = Config(generator="vllm", prm_name="x/y-PRM", prm="vllm", prm_args={"tag": "!"})
    assert [each.config for each in resolve(config).prms] == [config]
    assert "prm_combine" not in experiment(config, "d", [], "g")
    assert resolve(Config(prm_name=None, generator="vllm")).prms == ()


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"prm_name": ["a", "a"]}, "each once"),
        ({"prm_name": "a,none"}, "an ensemble consists of different PRMs"),
        ({"prm_name": "a,b", "prm_adapter": "auto,pure,auto"}, "3 adapters for 2 PRMs"),
        ({"prm_name": "a,b", "prm_args": {"tag": "x"}}, "by its name"),
        ({"prm_name": "a,b", "prm_args": {"c": {"tag": "x"}}}, "'c'"),
        ({"prm_name": "a,b", "prm_combine": "median"}, "rank-mean"),
    ],
)
def test_refused(keys: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        resolve(Config(**({"generator": "vllm", "prm": "vllm"} | keys)))
