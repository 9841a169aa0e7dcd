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
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a place, and keep it within the block.

        Raises:
            RequestError: the queue is full.
        """
        await self._enter()
        began = time.monotonic()
        try:
            yield
        finally:
            self._seconds += 0.1 * (time.monotonic() - began - self._seconds)
            self._leave()

    async def _enter(self) -> None:
        if self.searching < self._concurrency:
            self.searching += 1
            return
        if len(self._waiting) >= self._max_queue:
            wait = math.ceil(self._seconds * (1 + len(self._waiting) / self._concurrency))
            raise RequestError(
                429,
                f"{self.searching} requests are being searched and {self.queued} wait.",
                "overloaded",
                retry_after=max(1, min(wait, 600)),
            )
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._leave()  # it was given the place in the moment in which it was cancelled
            else:
                self._waiting.remove(place)
            raise

    def _leave(self) -> None:
        """Give the place to whoever waits longest."""
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                return
        self.searching -= 1
