"""Watch the models of a run: notice one that died, and one from which nothing comes any more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from tt_scale.base_classes import PRM, Generator
from tt_scale.errors import EngineDeadError

__all__ = ["StalledError", "watched"]

Result = TypeVar("Result")

LOOK_EVERY = 1.0
"""Seconds between two checks."""

FIRST_WARNING = 60.0
"""Seconds of silence after which a warning is given, at most half of the limit; then each time that it has doubled."""


class StalledError(EngineDeadError):
    """No sign of progress came from a model for as long as `stall_timeout` allows."""


async def watched(
    work: Awaitable[Result],
    models: Sequence[Generator | PRM | None],
    stall_timeout: float | None,
    warn: Callable[[str], None],
) -> Result:
    """Wait for work that needs models; cancel it once one of them died or none of them gives a sign of progress.

    The silence is counted from the last sign of any model for which a call waits, so that slow models live. A model
    that waits for another (a judge for its generator) gives none of its own.

    Args:
        work: cancelled and awaited before an error is raised.
        models: started; None stands for no PRM.
        stall_timeout: seconds without a sign of progress; None for no limit.
        warn: called with a sentence after a while of silence.

    Raises:
        EngineDeadError: a model's process ended.
        StalledError: the limit was reached.
    """
    backends = [model for model in models if model is not None]
    task = asyncio.ensure_future(work)
    silence = _Silence(backends, stall_timeout, warn)
    try:
        while not (await asyncio.wait([task], timeout=LOOK_EVERY))[0]:
            _check_alive(backends)
            silence.check()
        return task.result()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await task


def _check_alive(backends: Sequence[Generator | PRM]) -> None:
    for backend in backends:
        if reason := backend.died():
            raise EngineDeadError(f"{_name(backend)} died: {reason}")


class _Silence:
    """How long no model has given a sign of progress while calls wait, and what was said about it."""

    def __init__(self, backends: Sequence[Generator | PRM], limit: float | None, warn: Callable[[str], None]) -> None:
        self._backends = backends
        self._limit = limit
        self._warn = warn
        self._first = FIRST_WARNING if limit is None else min(FIRST_WARNING, limit / 2)
        self._next = self._first

    def check(self) -> None:
        """Warn, or raise a StalledError, where that is due."""
        silent = [backend for backend in self._backends if backend.waiting]
        if not silent:
            return
        seconds = time.monotonic() - max(backend.progress() for backend in self._backends)
        if seconds < self._first:
            self._next = self._first
            return
        told = f"No answer from {' and '.join(map(_name, silent))} for {seconds:.0f} s"
        if self._limit is not None and seconds >= self._limit:
            raise StalledError(f"{told}.", "Slower models need more: --stall-timeout SECONDS, or none")
        if seconds >= self._next:
            self._next = 2 * self._next
            self._warn(
                f"{told}." if self._limit is None else f"{told}; the limit (stall_timeout) is {self._limit:g} s."
            )


def _name(backend: Generator | PRM) -> str:
    return f"the {'generator' if isinstance(backend, Generator) else 'PRM'} ({type(backend).__name__})"
