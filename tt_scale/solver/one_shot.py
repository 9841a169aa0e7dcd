"""Answer one question with models that are opened and closed for it: `solve` and `asolve`."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from tt_scale.base_classes import PRM, Generator
from tt_scale.config import Config
from tt_scale.core.solution import Solution
from tt_scale.grading import Grader
from tt_scale.models import make_models, make_searcher, open_models
from tt_scale.preflight import preflight
from tt_scale.solver.async_solver import as_problem
from tt_scale.solver.question import Asked, Watch, search_question

__all__ = ["asolve", "solve"]


def solve(question: str, config: Config | None = None, *, watch: Watch | None = None) -> Solution:
    """Search for the answer to one question; opens and closes the models.

    For more than one question use `Solver`, which opens them once.

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
    """Asynchronous `solve`, for code that runs in an event loop; for more than one question use `Solver.asolve`.

    Args:
        question: the question in natural language.
        config: model, PRM, method and knobs.
        models: started models, which stay open; None opens and closes those of the configuration.
        watch: called with the children of every expansion.
    """
    problem = as_problem(question)
    searcher = make_searcher(config)  # an invalid method is reported before a model is loaded
    if models is None:
        make_models(config)
        config = await asyncio.to_thread(preflight, config)
        async with open_models(config) as opened:
            return await asolve(question, config, models=opened, watch=watch)
    with Grader(seconds=config.grade_timeout) as grader:
        return await search_question(Asked(problem, config, searcher, watch=watch), *models, grader)
