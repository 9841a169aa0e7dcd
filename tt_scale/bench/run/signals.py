"""Run a coroutine to its end, or to an end that somebody asks for."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

__all__ = ["wait_for"]

Result = TypeVar("Result")


def wait_for(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine; a termination signal cancels it as Ctrl-C does, so that engines are closed.

    Raises:
        KeyboardInterrupt: Ctrl-C.
        asyncio.CancelledError: a termination signal, or the end of the terminal.
    """

    async def guarded() -> Result:
        task = asyncio.ensure_future(work)
        for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
            if signal.getsignal(number) is signal.SIG_DFL:  # `nohup` ignores the second
                with suppress(NotImplementedError):  # Windows has no handlers in its loop
                    asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        return await task

    return asyncio.run(guarded())
