"""Search one question with open models, and choose the answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from tt_scale.base_classes import PRM, Generator, Searcher
from tt_scale.config import Config
from tt_scale.core.budget import Usage
from tt_scale.core.concurrency import TimeSlice
from tt_scale.core.path import Outcome, Path, tokens_on
from tt_scale.core.records import Problem
from tt_scale.core.selection import SELECTORS, candidates
from tt_scale.core.solution import Solution
from tt_scale.grading import Grader, group_spellings
from tt_scale.space.first_steps import asked_quantile, measure
from tt_scale.space.pace import Pace, TimeIsOverError
from tt_scale.space.search_space import SearchSpace

__all__ = ["Asked", "Watch", "search_question", "within"]

Watch = Callable[[Sequence[Path]], None]
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with everything that decides its answer but the models.

    Attributes:
        problem: the question and its id.
        config: sampling, limits and method.
        searcher: made from the configuration.
        deadline: `time.monotonic()` at which the search is broken off; None for no limit.
        watch: called with the children of every expansion.
        follow: called with the text that is certain, each time that it has grown.
        most_children: largest number of paths that one expansion may extend; None for no limit.
    """

    problem: Problem
    config: Config
    searcher: Searcher
    deadline: float | None = None
    watch: Watch | None = None
    follow: Callable[[str], None] | None = None
    most_children: int | None = None


async def search_question(
    asked: Asked, generator: Generator, prm: PRM | None, grader: Grader, shared: TimeSlice | None = None
) -> Solution:
    """Search until the method ends or the time is over; errors as of `Solver.solve`.

    Args:
        asked: the question.
        generator: started generator.
        prm: started PRM, or None.
        grader: compares answers.
        shared: time slice of all searches of the event loop; None for one of its own.
    """
    config, searcher, problem = asked.config, asked.searcher, asked.problem
    generator.check_search(searcher, config)
    quantile, usage = asked_quantile(searcher), Usage()
    scores: tuple[float, ...] = ()
    if quantile:
        measuring = measure(quantile, searcher, [problem], generator, prm, config)
        first = await within(measuring, asked.deadline)
        if first is None:
            return Solution(None, None, Outcome((), "timeout"), usage, problem.id, problem.question)
        scores, usage = first.scores, first.usage
    space = SearchSpace(
        problem,
        generator,
        prm,
        config,
        first_scores=scores,
        max_steps=searcher.longest_path,
        watch=asked.watch,
        follow=asked.follow,
        grouping=group_spellings,
        pace=Pace(shared, asked.deadline, asked.most_children),
    )
    outcome = await within(_searched(searcher, space), asked.deadline)
    return await _chosen(asked, space, outcome, grader, usage)


async def _searched(searcher: Searcher, space: SearchSpace) -> Outcome:
    return await space.conclude(await searcher.search(space))


async def _chosen(asked: Asked, space: SearchSpace, outcome: Outcome | None, grader: Grader, before: Usage) -> Solution:
    """Select from the pool; of a search that was broken off, without waiting for comparisons of answers."""
    over = outcome is None
    outcome = outcome or space.best_so_far()[0]
    answers = [space.answer(path) for path in outcome.pool]
    classes = group_spellings(answers) if over else await grader.group(answers)
    selector = asked.config.selector or asked.searcher.selector
    chosen = SELECTORS[selector](candidates(outcome, classes, asked.config.final_agg))
    path = None if chosen is None else outcome.pool[chosen]
    return Solution(
        answer=None if chosen is None else answers[chosen],
        path=path,
        outcome=outcome,
        usage=before + space.usage,
        id=asked.problem.id,
        question=asked.problem.question,
        partial=space.best_path() if path is None else None,
        answers=tuple(answers),
        wasted_tokens=space.usage.generated_tokens - tokens_on(space.nodes, outcome.pool),
    )


async def within(work: Awaitable[Result], deadline: float | None) -> Result | None:
    """Wait for work; cancel it at a time by `time.monotonic()`, or where it finds that over, and return None then."""
    if deadline is None:
        return await work
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait([task], timeout=max(0.0, deadline - time.monotonic()))
        return task.result() if done else None
    except TimeIsOverError:
        return None
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await task
