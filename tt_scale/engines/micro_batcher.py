"""Micro-batching: joins concurrent requests into batches for a model that serves one call at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Generic, TypeVar

from tt_scale.errors import EngineDeadError

if TYPE_CHECKING:
    from typing_extensions import ParamSpec

    Given = ParamSpec("Given")

__all__ = ["MicroBatcher", "model_thread", "share_thread"]

Item = TypeVar("Item")
Result = TypeVar("Result")
Batch = list[tuple[Item, "asyncio.Future[Result]"]]

QUIET_TURNS = 6
"""Event-loop iterations without a new request after which a batch starts. The callers of the last batch resume one by
one and send their next requests, which should share a batch. Iterations, not milliseconds: an idle loop takes
microseconds for them."""


class _Here(Executor):
    """Executor that runs calls synchronously in the calling thread."""

    def submit(self, call: Callable[Given, Result], /, *args: Given.args, **kwargs: Given.kwargs) -> Future[Result]:
        answer: Future[Result] = Future()
        try:
            answer.set_result(call(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  (raised by `result` in the caller)
            answer.set_exception(error)
        return answer


_shared = False


def share_thread() -> None:
    """Run all models that are opened later in the thread of the event loop.

    This is for processes with a single core, where switching between two threads costs more than a small model.
    """
    global _shared
    _shared = True


def model_thread(name: str) -> Executor:
    """Create the executor in which a model's calls run, one at a time."""
    return _Here() if _shared else ThreadPoolExecutor(1, name)


class MicroBatcher(Generic[Item, Result]):
    """Queues items of many callers and calls a blocking function with as many as fit, whenever it is free.

    There is no timer: a single caller is served at once. Items keep the order of their arrival. An exception reaches
    only the callers of the items that cause it. Items whose caller was cancelled are dropped, or computed in vain if
    their batch has already started.

    Args:
        call: computes one result for each item, in order; runs in the executor.
        executor: executor with a single thread, so that calls never overlap; its owner shuts it down.
        weigh: number of tokens of an item.
        max_weight: maximum number of tokens of a batch, including padding to its longest item, at least 1; a longer
            item forms its own batch.
        max_items: maximum number of items of a batch, at least 1.
    """

    def __init__(
        self,
        call: Callable[[list[Item]], Sequence[Result]],
        executor: Executor,
        *,
        weigh: Callable[[Item], int],
        max_weight: int,
        max_items: int,
    ) -> None:
        self._call = call
        self._executor = executor
        self._weigh = weigh
        self._max_weight = max_weight
        self._max_items = max_items
        self._waiting: deque[tuple[Item, int, asyncio.Future[Result]]] = deque()
        self._worker: asyncio.Task[None] | None = None

    async def ask(self, items: Sequence[Item]) -> list[Result]:
        """Compute items, batched with other waiting items.

        Args:
            items: items of this caller [items].

        Returns:
            Their results [items], in order.
        """
        loop = asyncio.get_running_loop()
        weighed = [(item, self._weigh(item), loop.create_future()) for item in items]
        answers = [answer for _, _, answer in weighed]
        self._waiting.extend(weighed)
        if self._waiting and (self._worker is None or self._worker.done()):
            self._worker = loop.create_task(self._work())
        try:
            return list(await asyncio.gather(*answers))
        finally:
            for answer in answers:  # after a failure or a cancellation the others are not needed
                answer.cancel()

    async def _work(self) -> None:
        while self._waiting:
            await self._settle()
            batch = self._take()
            if batch:
                await self._serve(batch)

    async def _serve(self, batch: Batch[Item, Result]) -> None:
        """Call the function; a failed batch is retried in halves, so that only items that fail alone fail."""
        batch = [(item, answer) for item, answer in batch if not answer.done()]
        if not batch:
            return
        items = [item for item, _ in batch]
        try:
            results = await asyncio.get_running_loop().run_in_executor(self._executor, self._call, items)
        except asyncio.CancelledError:  # the executor was shut down before it began, or nobody waits any more
            waiting = [(item, answer) for item, _, answer in self._waiting]
            self._waiting.clear()
            _refuse([*batch, *waiting], EngineDeadError("The model was closed before the request was sent to it."))
            raise
        except Exception as error:  # noqa: BLE001  (it belongs to the callers)
            if len(batch) == 1 or isinstance(error, EngineDeadError):
                _refuse(batch, error)
                return
            results = None
        if results is None:  # outside of the handler the tensors of the failed call are no longer referenced
            for half in (batch[: len(batch) // 2], batch[len(batch) // 2 :]):
                await self._serve(half)
                await self._settle()  # callers of failed items cancel their other items
            return
        if len(results) != len(batch):
            _refuse(batch, RuntimeError(f"a batch of {len(batch)} items came back with {len(results)} results"))
            return
        for (_, answer), result in zip(batch, results, strict=True):
            if not answer.done():
                answer.set_result(result)

    async def _settle(self) -> None:
        """Wait until resuming callers have sent requests, and failed or cancelled ones have withdrawn theirs."""
        quiet = 0
        while quiet < QUIET_TURNS:
            before = len(self._waiting)
            await asyncio.sleep(0)
            came = len(self._waiting) - before
            quiet = 0 if came and before < self._max_items else quiet + 1

    def _take(self) -> list[tuple[Item, asyncio.Future[Result]]]:
        """Take items from the front of the queue while they fit, and drop cancelled ones."""
        batch: list[tuple[Item, asyncio.Future[Result]]] = []
        heaviest = 0
        while self._waiting and len(batch) < self._max_items:
            item, weight, answer = self._waiting[0]
            if not answer.done():
                heaviest = max(heaviest, weight)
                if batch and heaviest * (len(batch) + 1) > self._max_weight:
                    break
                batch.append((item, answer))
            self._waiting.popleft()
        return batch


def _refuse(batch: Batch[Item, Result], error: Exception) -> None:
    for _, answer in batch:
        if not answer.done():
            answer.set_exception(error)
