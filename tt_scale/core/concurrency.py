"""Wait for several coroutines without leaving any of them behind, and share an event loop's time between tasks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

__all__ = ["TimeSlice", "gather_or_cancel"]

Result = TypeVar("Result")


async def gather_or_cancel(coroutines: Sequence[Coroutine[Any, Any, Result]]) -> list[Result]:
    """Wait for all [coroutines]; when one fails or the call is cancelled, cancel the others before raising."""
    tasks = [asyncio.ensure_future(one) for one in coroutines]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


class TimeSlice:
    """Bounds how long tasks that never wait hold an event loop, all of them together, before others have their turn.

    Args:
        seconds: wall-clock time after which `turn` lets the loop run, at least 0.
    """

    def __init__(self, seconds: float = 0.01) -> None:
        self.seconds = seconds
        self._since = 0.0
        self._unused = False
        self._ending: asyncio.AbstractEventLoop | None = None

    async def turn(self) -> None:
        """Wait until the loop has run where tasks have held it for too long; call it before each piece of work."""
        while not self._unused and time.monotonic() - self._since > self.seconds:
            loop = asyncio.get_running_loop()
            if self._ending is not loop:
                self._ending = loop
                loop.call_soon(self._begin)  # runs before whoever waits below, so that the first of these goes on
            await asyncio.sleep(0)
        self._unused = False

    def _begin(self) -> None:
        # one task goes on in each slice, also where the machine let all of it pass before that task's turn
        self._ending, self._since, self._unused = None, time.monotonic(), True
