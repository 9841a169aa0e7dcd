"""The searches that are left, in order; those of a replica that died come first."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable

from tt_scale.bench.run.runner import Task
from tt_scale.errors import EngineDeadError

__all__ = ["ATTEMPTS", "TaskQueue"]

ATTEMPTS = 3
"""Times that a search is begun at most, where each time its replica died; then something is wrong with it."""


class TaskQueue:
    """Hands out searches until all are finished. Belongs to one event loop.

    Args:
        tasks: in the order in which they are begun; each is taken when somebody has room for it.

    Attributes:
        finished: set once nothing is left and nothing is in flight.
    """

    def __init__(self, tasks: Iterable[Task]) -> None:
        self.finished = asyncio.Event()
        self._tasks = iter(tasks)
        self._exhausted = False
        self._in_flight = 0
        self._returned: asyncio.Queue[Task | None] = asyncio.Queue()
        self._losses: Counter[Task] = Counter()

    async def take(self) -> Task | None:
        """Give the next search; waits while what is in flight may still come back. None: nothing will."""
        if self._returned.empty() and not self._exhausted:
            task = next(self._tasks, None)
            if task is not None:
                self._in_flight += 1
                return task
            self._exhausted = True
            self._end_if_over()
        task = await self._returned.get()
        if task is None:
            self._returned.put_nowait(None)  # for the next who asks
            return None
        self._in_flight += 1
        return task

    def done(self) -> None:
        """Count a search that was taken as finished."""
        self._in_flight -= 1
        self._end_if_over()

    def give_back(self, task: Task) -> None:
        """Put a search back that was taken and not begun."""
        self._in_flight -= 1
        self._returned.put_nowait(task)

    def lost(self, task: Task, reason: str, what: str) -> None:
        """Put a search back whose replica died.

        Args:
            task: that was taken.
            reason: why the replica died, as a sentence.
            what: names the search, for the message.

        Raises:
            EngineDeadError: this happened too often.
        """
        self._losses[task] += 1
        if self._losses[task] >= ATTEMPTS:
            raise EngineDeadError(
                f"{what} was begun {ATTEMPTS} times, and each time its replica died: {reason}",
                "It may be the cause, or one that was searched beside it; --concurrency 1 tells which.",
            )
        self.give_back(task)

    def was_lost(self, task: Task) -> bool:
        """Whether a replica died with it before."""
        return task in self._losses

    def _end_if_over(self) -> None:
        if self._exhausted and not self._in_flight and self._returned.empty():
            self.finished.set()
            self._returned.put_nowait(None)
