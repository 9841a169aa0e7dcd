"""Answer one question from Python: `solve` and `asolve`."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from tt_scale.base_classes import PRM, Generator
from tt_scale.config import Config
from tt_scale.core.path import Path
from tt_scale.core.records import Problem
from tt_scale.core.selection import SELECTORS, candidates
from tt_scale.core.solution import Solution
from tt_scale.errors import ConfigError
from tt_scale.grading import Grader, group_spellings
from tt_scale.models import make_models, make_searcher, open_models
from tt_scale.preflight import preflight
from tt_scale.space.first_steps import asked_quantile, measure
from tt_scale.space.search_space import SearchSpace

__all__ = ["Solution", "Watch", "asolve", "solve"]

Watch = Callable[[Sequence[Path]], None]


def solve(question: str, config: Config | None = None, *, watch: Watch | None = None) -> Solution:
    """Search for the answer to one question; opens and closes the models.

    Args:
        question: the question in natural language.
        config: model, PRM, method and knobs; None for the defaults.
        watch: called with the children of every expansion.

    Returns:
        The answer, its path, the pool and the usage.

    Raises:
        TTScaleError: the configuration cannot run, or a model failed.
    """
    task = asolve(question, config or Config(), watch=watch)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(task)
    with ThreadPoolExecutor(1) as pool:  # a notebook already runs an event loop
        return pool.submit(asyncio.run, task).result()


async def asolve(
    question: str,
    config: Config,
    *,
    models: tuple[Generator, PRM | None] | None = None,
    watch: Watch | None = None,
) -> Solution:
    """Asynchronous `solve`, for code that runs in an event loop.

    Args:
        question: the question in natural language.
        config: model, PRM, method and knobs.
        models: started models, which stay open; None opens and closes those of the configuration.
        watch: called with the children of every expansion.
    """
    if not question.strip():
        raise ConfigError("The question is empty.", 'Type a question, such as "What is 2 + 3?".')
    if models is None:
        make_searcher(config)  # an invalid method is reported before a model is loaded
        make_models(config)
        config = await asyncio.to_thread(preflight, config)
        async with open_models(config) as opened:
            return await asolve(question, config, models=opened, watch=watch)
    generator, prm = models
    searcher = make_searcher(config)
    generator.check_search(searcher, config)
    digest = hashlib.blake2b(question.encode(), digest_size=6).hexdigest()
    problem = Problem(f"question-{digest}", question, "")
    quantile = asked_quantile(searcher)
    first = await measure(quantile, searcher, [problem], generator, prm, config) if quantile else None
    space = SearchSpace(
        problem,
        generator,
        prm,
        config,
        first_scores=first.scores if first else (),
        max_steps=searcher.longest_path,
        watch=watch,
        grouping=group_spellings,
    )
    outcome = await space.conclude(await searcher.search(space))
    answers = [space.answer(path) for path in outcome.pool]
    with Grader(seconds=config.grade_timeout) as grader:
        classes = await grader.group(answers)
    chosen = SELECTORS[config.selector or searcher.selector](candidates(outcome, classes, config.final_agg))
    usage = first.usage + space.usage if first else space.usage
    if chosen is None:
        return Solution(None, None, outcome, usage)
    return Solution(answers[chosen], outcome.pool[chosen], outcome, usage)
