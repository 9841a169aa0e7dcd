"""`tt-scale solve`: answer one question, with a status line while the models load."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

import click

from tt_scale.cli.options import OF_FILES
from tt_scale.config import Config
from tt_scale.errors import ProblemSetError
from tt_scale.models import make_models, make_searcher, open_models
from tt_scale.preflight import preflight
from tt_scale.problems.local import READERS
from tt_scale.solver import Solution, Watch, asolve

__all__ = ["is_file", "refuse_flags_of_files", "solve_live"]


def refuse_flags_of_files(values: Mapping[str, Any]) -> None:
    """Refuse flags that mean nothing to a single question.

    Raises:
        click.UsageError: one of them was given.
    """
    for name in OF_FILES:
        if values[name] is not None:
            flag = f"--{name.replace('_', '-')}"
            raise click.UsageError(
                f"{flag} is a flag of bench, which runs problem sets, and of solve with a file; this is one question.",
                click.get_current_context(),
            )


def is_file(question: str) -> bool:
    """Whether a question is the name of a file of questions, or "-" for standard input.

    Raises:
        ProblemSetError: it looks like the name of a file, and there is none.
    """
    if question == "-":
        return True
    named = os.path.splitext(question)[1].lower() in READERS and not any(map(str.isspace, question))
    if named and not os.path.isfile(os.path.expanduser(question)):
        raise ProblemSetError(f"There is no file {question!r}.", f"Here is {os.getcwd()!r}; check the path.")
    return named


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
