"""Structured waiting for several coroutines, and fair sharing of an event loop between CPU-bound tasks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

__all__ = ["Ending", "TimeSlice", "ending_of", "gather_or_cancel", "in_parts"]

Result = TypeVar("Result")
Item = TypeVar("Item")

PART = 64
"""Items of one part: paths that are sampled or scored by the processor take some 10 ms together."""


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
        """Return the result of the coroutine, or raise its exception."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]


async def ending_of(coroutine: Coroutine[Any, Any, Result]) -> Ending[Result]:
    """Await a coroutine that may raise anything, also a CancelledError of its own or SystemExit.

    It runs in its own task, so that a CancelledError that it raises is distinct from a cancellation of the caller,
    which cancels both and is raised.

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
    """Wait for all [coroutines]; if one fails or the call is cancelled, cancel the others and await their end first."""
    tasks = [asyncio.ensure_future(one) for one in coroutines]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


async def in_parts(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    turn: Callable[[], Awaitable[None]] | None,
    size: int = PART,
) -> list[Result]:
    """Apply a function to items, part by part, so that a long sequence does not block an event loop.

    Args:
        function: called with each item, in order.
        items: any number [items].
        turn: awaited between two parts; None awaits nothing.
        size: largest number of items of a part, at least 1.

    Returns:
        The results [items].
    """
    results = [function(item) for item in items[:size]]
    for start in range(size, len(items), size):
        if turn is not None:
            await turn()
        results += [function(item) for item in items[start : start + size]]
    return results


class TimeSlice:
    """Bounds how long CPU-bound tasks together block an event loop before other tasks run.

    Args:
        seconds: wall-clock time after which `turn` yields to the loop, at least 0.
    """

    def __init__(self, seconds: float = 0.01) -> None:
        self.seconds = seconds
        self._since = 0.0
        self._unused = False
        self._ending: asyncio.AbstractEventLoop | None = None

    async def turn(self) -> None:
        """Yield to the loop if tasks have blocked it for longer than the slice; call it before each piece of work."""
        while not self._unused and time.monotonic() - self._since > self.seconds:
            loop = asyncio.get_running_loop()
            if self._ending is not loop:
                self._ending = loop
                loop.call_soon(self._begin)  # runs before the tasks that sleep below, so that the first of them goes on
            await asyncio.sleep(0)
        self._unused = False

    def _begin(self) -> None:
        # Each slice runs at least one task, even if the machine was too busy to run it within the slice.
        self._ending, self._since, self._unused = None, time.monotonic(), True
