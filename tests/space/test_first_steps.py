"""The sample that a quantile is taken of."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import pytest
from worlds import sim_problem

from tt_scale.base_classes import Problem, Searcher, Step, StepRequest
from tt_scale.config import Config
from tt_scale.errors import EngineDeadError, GeneratorError, PRMError
from tt_scale.generator.simulated import SimulatedGenerator
from tt_scale.models import make_searcher
from tt_scale.prm.simulated import SimulatedPRM
from tt_scale.searcher.best_of_n import BestOfN
from tt_scale.searcher.collective_backtrack import CollectiveBacktrack
from tt_scale.space.first_steps import ENOUGH, MOST_OF_ONE, FirstSteps, asked_quantile, measure
from tt_scale.space.search_space import SearchSpace

PROBLEMS = [sim_problem(number, level=1 + number % 5) for number in range(100)]


def measured(
    problems: Sequence[Problem], tau: str = "q0.5", generator: SimulatedGenerator | None = None, **keys: object
) -> FirstSteps:
    generator = generator or SimulatedGenerator()
    config = Config(model_name="simulated", prm_name="simulated", tau=tau, **keys)
    prm = SimulatedPRM(0.6, config.seed, generator)
    return asyncio.run(measure(tau, make_searcher(config), problems, generator, prm, config))


@pytest.mark.parametrize("method", ["collective", "independent"])
def test_the_sample_is_first_steps_of_the_run(method: str) -> None:
    """A sample under seeds of its own is of another run.

    Each score is that of a child of a root in the tree of the search that follows.
    """
    few = PROBLEMS[:ENOUGH]
    found = measured(few, method=method)
    config = Config(model_name="simulated", prm_name="simulated", tau="q0.5", method=method)
    generator = SimulatedGenerator()
    searched = []
    for problem in few:
        prm = SimulatedPRM(0.6, config.seed, generator)
        space = SearchSpace(problem, generator, prm, config, first_scores=found.scores)
        asyncio.run(make_searcher(config).search(space))
        searched += [node.score for node in space.nodes if node.key == (0, 0)]
    assert list(found.scores) == sorted(searched)
    assert (len(found.scores), found.problems) == (ENOUGH, ENOUGH)
    assert found.value == found.scores[ENOUGH // 2]


def test_the_number_does_not_depend_on_how_many_run_at_once() -> None:
    """Scores "seen so far" depend on who comes first: two runs of one configuration pass different steps."""
    values = {measured(PROBLEMS, concurrency=concurrency).value for concurrency in (1, 7, 64)}
    assert len(values) == 1
    assert measured(PROBLEMS, seed=80).value not in values


def test_a_large_set_is_sampled_with_a_seed() -> None:
    """The first problems of a set that is sorted by difficulty are the easy ones."""
    ordered = sorted(PROBLEMS, key=lambda problem: problem.level or 0)
    found = measured(ordered)
    assert (len(found.scores), found.problems) == (ENOUGH, ENOUGH)
    assert found.scores != measured(ordered[:ENOUGH]).scores


@pytest.mark.parametrize(("problems", "each"), [(1, MOST_OF_ONE), (5, MOST_OF_ONE), (10, 7), (30, 3)])
def test_few_problems_give_several_first_steps_each(problems: int, each: int) -> None:
    """Thirty problems of a competition are too few scores; one problem must not be charged for sixty-four."""
    found = measured(PROBLEMS[:problems])
    assert len(found.scores) == problems * each
    assert found.usage.generator_calls == found.usage.prm_calls == problems * each
    assert found.usage.generated_tokens >= 8 * problems * each


class Failing(SimulatedGenerator):
    """Cannot render some problems, or dies."""

    def __init__(self, bad: int, dead: bool = False) -> None:
        super().__init__()
        self.bad, self.dead = bad, dead

    def prompt(self, problem: Problem, system_prompt: str) -> tuple[int, ...]:
        if int(problem.id.split("-")[1]) < self.bad:
            raise GeneratorError("no such template")
        return super().prompt(problem, system_prompt)

    async def generate(self, requests: Sequence[StepRequest]) -> list[Step]:
        await asyncio.sleep(0)
        if self.dead:
            raise EngineDeadError("gone")
        return await super().generate(requests)


def test_a_problem_that_fails_is_left_out() -> None:
    """One bad problem never ends a run, not before it has begun either."""
    found = measured(PROBLEMS[:ENOUGH], generator=Failing(4))
    assert (len(found.scores), found.problems) == (ENOUGH - 4, ENOUGH - 4)


def test_no_score_at_all_says_what_failed() -> None:
    """A quantile of nothing."""
    with pytest.raises(PRMError, match=r"'q0.5'.*sim-00000: GeneratorError: no such template.*--tau 0.6"):
        measured(PROBLEMS[:3], generator=Failing(99))
    with pytest.raises(PRMError, match="every step was cut short"):
        measured(PROBLEMS[:3], max_tokens=2)


def test_a_dead_engine_ends_the_run() -> None:
    """It was taken for sixty-four problems that failed."""
    with pytest.raises(EngineDeadError):
        measured(PROBLEMS, generator=Failing(0, dead=True))


def test_a_sample_comes_back_from_the_manifest_as_it_was() -> None:
    """A number that loses a digit on disk makes another run of the second leg."""
    found = measured(PROBLEMS)
    assert FirstSteps.of(json.loads(json.dumps(found.record()))) == found


@pytest.mark.parametrize(
    ("searcher", "asked"),
    [(CollectiveBacktrack(tau="q0.5"), "q0.5"), (CollectiveBacktrack(), None), (BestOfN(), None)],
)
def test_only_a_method_with_a_quantile_is_measured_for(searcher: Searcher, asked: str | None) -> None:
    """Sixty-four steps for a method that never looks at tau."""
    assert asked_quantile(searcher) == asked
