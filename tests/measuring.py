"""Thousands of searches in the simulated world, and how far a mean may lie from its closed form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import sqrt
from statistics import fmean, stdev

from worlds import sim_problem

from tt_scale.base_classes import Problem, Searcher
from tt_scale.config import Config
from tt_scale.core.extraction import extract_answer
from tt_scale.core.path import Outcome, Path
from tt_scale.core.selection import SELECTORS, Candidate
from tt_scale.generator.simulated import SimulatedGenerator, World
from tt_scale.prm.simulated import SimulatedPRM
from tt_scale.space.search_space import SearchSpace

PROBLEMS = 2_000


def searches(
    searcher: Searcher,
    level: int,
    steps: int,
    *,
    quality: float = 1.0,
    world: World | None = None,
    count: int = PROBLEMS,
) -> Iterator[tuple[Problem, SearchSpace, Outcome]]:
    """Search many problems of one kind."""
    generator, config = SimulatedGenerator(world), Config(model_name="simulated", prm_name="simulated")
    prm = SimulatedPRM(quality, config.seed, generator)
    for number in range(count):
        problem = sim_problem(number, level, steps)
        space = SearchSpace(problem, generator, prm, config)
        yield problem, space, searched(searcher, space)


def searched(searcher: Searcher, space: SearchSpace) -> Outcome:
    """Drive a search that never waits, without an event loop: the simulated models answer at once."""
    task = searcher.search(space)
    try:
        task.send(None)
    except StopIteration as done:
        outcome: Outcome = done.value
        return outcome
    raise AssertionError("the simulated world waited for something")


def is_right(problem: Problem, path: Path) -> bool:
    return extract_answer(path.text) == problem.answer


def chosen(selector: str, pool: Sequence[Path]) -> Path:
    answers = [extract_answer(path.text) for path in pool]
    candidates = [Candidate(answers.index(answer), path.score) for answer, path in zip(answers, pool, strict=True)]
    index = SELECTORS[selector](candidates)
    assert index is not None
    return pool[index]


def accuracy(selector: str, searcher: Searcher, level: int, steps: int, quality: float = 1.0) -> float:
    found = searches(searcher, level, steps, quality=quality)
    return fmean(is_right(problem, chosen(selector, outcome.pool)) for problem, _, outcome in found)


def assert_share(measured: float, expected: float, count: int = PROBLEMS) -> None:
    """A share of independent trials lies within three standard errors of its probability."""
    error = sqrt(expected * (1 - expected) / count)
    assert abs(measured - expected) <= 3 * error, f"{measured:.4f} measured, {expected:.4f} +- {error:.4f} expected"


def assert_mean(values: Sequence[float], expected: float) -> None:
    error = stdev(values) / sqrt(len(values))
    assert abs(fmean(values) - expected) <= 3 * error, f"{fmean(values):.2f} measured, {expected:.2f} +- {error:.2f}"
