"""`tt-scale solve`: answer one question, with a status line while the models load."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from tt_scale.config import Config
from tt_scale.models import make_models, make_searcher, open_models
from tt_scale.preflight import preflight
from tt_scale.solver import Solution, Watch, asolve

__all__ = ["solve_live"]


async def solve_live(question: str, config: Config, watch: Watch | None) -> Solution:
    """Load the models, with a status line that counts seconds, and search.

    Args:
        question: the question in natural language.
        config: model, PRM, method and parameters.
        watch: called with the children of every expansion.

    Raises:
        TTScaleError: the configuration cannot run, or a model failed.
    """
    from tt_scale.bench.run.open_models import loaded_names
    from tt_scale.report.loading import loading
    from tt_scale.report.terminal import Terminal

    make_searcher(config)  # an invalid method is reported before a model is loaded
    make_models(config)
    config = await asyncio.to_thread(preflight, config)
    async with AsyncExitStack() as stack:
        with loading(Terminal(stderr=True), loaded_names(config)):
            models = await stack.enter_async_context(open_models(config))
        return await asolve(question, config, models=models, watch=watch)
