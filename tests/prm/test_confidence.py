"""The PRM that reads the generator's own log-probabilities."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from math import exp, log
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import run, sim_problem

from tt_scale.backends import resolve
from tt_scale.base_classes import Scores, Step
from tt_scale.config import Config
from tt_scale.core.path import Path
from tt_scale.errors import ConfigError, PRMError
from tt_scale.generator.simulated import SimulatedGenerator, World
from tt_scale.models import make_models
from tt_scale.preflight import check_models
from tt_scale.prm.confidence import ConfidencePRM
from tt_scale.searcher.beam_search import BeamSearch
from tt_scale.searcher.best_of_n import BestOfN
from tt_scale.space.search_space import SearchSpace

MEASURES = ("min", "mean", "certainty")


def step_of(logprobs: list[float], confidences: list[float] | None = None) -> Step:
    told = confidences or [3.0] * len(logprobs)
    return Step("so\n\n", tuple(range(len(logprobs))), "stop", logprobs=tuple(logprobs), confidences=tuple(told))


def scored(measure: str, path: Path) -> Scores:
    [scores] = asyncio.run(ConfidencePRM(measure).score(sim_problem(), [path]))
    return scores


def values(measure: str, *steps: Step) -> tuple[float, ...]:
    return scored(measure, Path((0,), steps)).values


def test_worked_values() -> None:
    """Each measure on two steps, worked out by hand; they cost no tokens."""
    first, second = step_of([log(0.5), log(0.25)]), step_of([log(0.5)], [log(20) + 3])
    assert values("min", first, second) == pytest.approx((0.25, 0.25))
    assert values("mean", first, second) == pytest.approx((exp(1.5 * log(0.5)), exp(4 / 3 * log(0.5))))
    even, sure = step_of([-1.0], [log(20)]), step_of([-1.0], [log(20) + 3])
    assert values("certainty", even, sure) == pytest.approx((0.0, 1.5 / 2.5))  # mean of 0 and 3 above even
    assert (scored("min", Path((0,), (first,))).tokens, scored("min", Path((0,), (first,))).cached) == (0, 0)


logprobs = st.lists(st.floats(min_value=-60, max_value=0.0), min_size=1, max_size=6)
confidences = st.lists(st.floats(min_value=0, max_value=90), min_size=1, max_size=6)
steps = st.lists(
    st.one_of(logprobs.map(step_of), confidences.map(lambda each: step_of([-1.0] * len(each), each))), min_size=1
)


@given(steps)
def test_the_smallest_never_rises(drawn: list[Step]) -> None:
    """A score of the newest step alone would forgive what an earlier one spoilt."""
    found = values("min", *drawn)
    assert all(later <= earlier for earlier, later in pairwise(found))
    assert found[-1] == exp(min(number for step in drawn for number in step.logprobs))


@pytest.mark.parametrize("measure", MEASURES)
@given(steps)
def test_whole_equals_step_by_step_and_lies_in_range(measure: str, drawn: list[Step]) -> None:
    """A path scored at once, as best-of-N does it, must have the scores that a search saw."""
    at_once = values(measure, *drawn)
    known: tuple[float, ...] = ()
    for end in range(1, len(drawn) + 1):
        known += scored(measure, Path((0,), tuple(drawn[:end]), known)).values
    assert known == at_once
    assert all(0.0 <= value <= 1.0 for value in at_once)


def space_of(number: int, **keys: Any) -> SearchSpace:
    config = Config(model_name="simulated", prm_name="confidence", **keys)
    _, prm = make_models(config)
    return SearchSpace(sim_problem(number, level=4), SimulatedGenerator(World(blank=0.2)), prm, config)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("searcher", [BestOfN(N=6), BeamSearch(N=2)])
def test_in_a_search(measure: str, searcher: Any) -> None:
    """Named by one word, it finds its numbers on the steps, blank ones and cuts included, and costs nothing."""
    space = space_of(3, prm_confidence=measure, max_tokens=90)
    run(searcher, space)
    assert space.usage.prm_calls > 0
    assert space.usage.prm_tokens == 0
    assert all(len(node.scores) == len(node.steps) for node in space.nodes if node.is_open or node.is_finished)


@pytest.mark.parametrize("measure", MEASURES)
def test_tells_right_from_wrong(measure: str) -> None:
    """Scores that run the wrong way, or of other tokens, are worth no more than a coin."""
    ranks = []
    for number in range(60):
        problem = sim_problem(number, level=4)
        pool = run(BestOfN(N=6), space_of(number, prm_confidence=measure)).pool
        right = [path.score for path in pool if f"{{{problem.answer}}}" in path.text]
        wrong = [path.score for path in pool if f"{{{problem.answer}}}" not in path.text]
        ranks += [one > other for one in right for other in wrong]
    assert sum(ranks) / len(ranks) > 0.6
    assert len(ranks) > 200


def test_steps_without_numbers_are_an_error() -> None:
    """Steps of a journal or of another space: a score of 1 for what is not known would be the best of all."""
    with pytest.raises(PRMError, match="'sim-00000' have no log-probabilities"):
        values("min", Step("so\n\n", (1, 2), "stop"))


def test_asks_for_no_more_than_it_reads() -> None:
    """Twenty likeliest tokens are sorted out at every token for a PRM that reads only the drawn one."""
    assert [ConfidencePRM(measure).top_logprobs for measure in MEASURES] == [1, 1, 20]


def test_names() -> None:
    """A table that names a PRM that never ran, and a measure that does not exist."""
    assert resolve(Config(model_name="simulated", prm_name="confidence")).prm_backends == "confidence"
    with pytest.raises(ConfigError, match="--prm-name confidence"):
        check_models(resolve(Config(model_name="simulated", prm="confidence", prm_name="Qwen/Qwen2.5-Math-PRM-7B")))
    with pytest.raises(ConfigError, match="'confidence', which has no weights of its own, but prm is 'huggingface'"):
        check_models(
            resolve(Config(model_name="pocket-gen", generator="trie", prm="huggingface", prm_name="confidence"))
        )
    with pytest.raises(ConfigError, match="prm_confidence is 'middle'"):
        Config(prm_confidence="middle")
    with pytest.raises(ConfigError, match="Did you mean 'mean'"):
        ConfidencePRM("meen")
