"""Join what is waiting into one call.

Transformers runs one batch at a time. While it runs, requests of other problems gather; the next batch takes as many
of them as fit. Nobody waits for a timer: a free worker takes what is there.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

__all__ = ["MicroBatcher"]

Item = TypeVar("Item")
Result = TypeVar("Result")


class MicroBatcher(Generic[Item, Result]):
    """Calls a blocking function with batches of what many callers ask for.

    Args:
        function: a batch [items] -> its results [items], in order; runs in a thread, one call at a time.
        weight: the size of an item, at least 1; for padded batches its length.
        most_weight: no batch has a heaviest item x number of items above it, unless it is of a single item.
        most_items: most items of a batch.
    """

    def __init__(
        self,
        function: Callable[[list[Item]], Sequence[Result]],
        *,
        weight: Callable[[Item], int] = lambda item: 1,
        most_weight: int = 16_384,
        most_items: int = 64,
    ) -> None:
        self._function = function
        self._weight = weight
        self._most_weight = most_weight
        self._most_items = most_items
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._worker: asyncio.Task[None] | None = None

    async def __call__(self, items: Sequence[Item]) -> list[Result]:
        """Wait for the results of some items, in order; an error of a batch reaches only those who are in it."""
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[Result]] = [loop.create_future() for _ in items]
        self._waiting.extend(zip(items, futures, strict=True))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.ensure_future(self._work())
        return list(await asyncio.gather(*futures))

    async def _work(self) -> None:
        await asyncio.sleep(0)  # whoever is ready in this turn of the loop joins the first batch
        while batch := self._take():
            try:
                results = await asyncio.to_thread(self._function, [item for item, _ in batch])
            except Exception as error:  # noqa: BLE001 - it belongs to the callers, not to the worker
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
            else:
                for (_, future), result in zip(batch, results, strict=True):
                    if not future.done():  # cancelled meanwhile
                        future.set_result(result)

    def _take(self) -> list[tuple[Item, asyncio.Future[Result]]]:
        batch: list[tuple[Item, asyncio.Future[Result]]] = []
        heaviest = 0
        while self._waiting and len(batch) < self._most_items:
            item, future = self._waiting[0]
            heavy = max(heaviest, self._weight(item))
            if batch and heavy * (len(batch) + 1) > self._most_weight:
                break
            self._waiting.popleft()
            if not future.done():  # nobody waits for a cancelled one
                batch.append((item, future))
                heaviest = heavy
        return batch
