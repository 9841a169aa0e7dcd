"""Wait for several coroutines without leaving any of them behind, and share an event loop's time between tasks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

__all__ = ["Ending", "TimeSlice", "ending_of", "gather_or_cancel"]

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Ending(Generic[Result]):
    """How a coroutine ended.

    Attributes:
        error: what it raised; None where it returned.
        value: what it returned.
    """

    error: BaseException | None = None
    value: Result | None = None

    @property
    def result(self) -> Result:
        """What it returned; raises what it raised."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]


async def ending_of(coroutine: Coroutine[Any, Any, Result]) -> Ending[Result]:
    """Await a coroutine that may raise anything, also a CancelledError of its own or SystemExit.

    It runs in a task of its own, so that a cancellation that it raises itself is told from one that is meant for the
    caller: that one cancels both, and is raised.

    Raises:
        asyncio.CancelledError: the caller was cancelled.
        KeyboardInterrupt: the user ended the program.
    """

    async def guarded() -> Ending[Result]:
        try:
            return Ending(value=await coroutine)
        except (KeyboardInterrupt, asyncio.CancelledError, GeneratorExit):
            raise
        except BaseException as error:  # noqa: BLE001 - given to the caller, who decides
            return Ending(error)

    task = asyncio.ensure_future(guarded())
    try:
        await asyncio.wait([task])
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise
    if task.cancelled():
        return Ending(asyncio.CancelledError("a backend cancelled itself"))
    error = task.exception()
    return task.result() if error is None else Ending(error)


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
