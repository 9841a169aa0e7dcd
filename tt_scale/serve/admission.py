"""A bounded number of searches at a time, and a bounded queue before them."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tt_scale.serve.faults import RequestError

__all__ = ["Admission"]


class Admission:
    """Lets requests search in the order in which they came.

    Args:
        concurrency: searches at a time, at least 1.
        max_queue: requests that wait, at least 0.
    """

    def __init__(self, concurrency: int, max_queue: int) -> None:
        self.searching = 0
        self._concurrency = concurrency
        self._max_queue = max_queue
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._seconds = 1.0  # of a search, smoothed

    @property
    def queued(self) -> int:
        """Requests that wait."""
        return len(self._waiting)

    @asynccontextmanager
    async def turn(self, deadline: float | None = None) -> AsyncIterator[None]:
        """Wait for a place, and keep it within the block.

        Args:
            deadline: `time.monotonic()` until which to wait; None for no limit. It does not matter where a place is
                free at once.

        Raises:
            RequestError: the queue is full, or the deadline has passed.
        """
        await self._enter(deadline)
        began = time.monotonic()
        try:
            yield
        finally:
            self._seconds += 0.1 * (time.monotonic() - began - self._seconds)
            self._leave()

    async def _enter(self, deadline: float | None) -> None:
        if self.searching < self._concurrency:
            self.searching += 1
            return
        if len(self._waiting) >= self._max_queue:
            raise self._overloaded(f"{self.searching} requests are being searched and {self.queued} wait.")
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await asyncio.wait([place], timeout=None if deadline is None else max(0.0, deadline - time.monotonic()))
        except asyncio.CancelledError:
            self._give_up(place)
            raise
        if not place.done() or (deadline is not None and time.monotonic() >= deadline):
            self._give_up(place)
            raise self._overloaded(
                f"The time of the request was over before its turn; {self.searching} requests are being searched "
                f"and {self.queued} wait."
            )

    def _give_up(self, place: asyncio.Future[None]) -> None:
        """Leave the queue, or hand the place on where it was given in the same moment."""
        if place.done():
            self._leave()
        else:
            self._waiting.remove(place)

    def _overloaded(self, message: str) -> RequestError:
        wait = math.ceil(self._seconds * (1 + len(self._waiting) / self._concurrency))
        return RequestError(429, message, "overloaded", retry_after=max(1, min(wait, 600)))

    def _leave(self) -> None:
        """Give the place to whoever waits longest."""
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                return
        self.searching -= 1
