"""Bounded concurrency: run a coroutine for many items, a limited number at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

__all__ = ["in_flight"]

Item = TypeVar("Item")


async def in_flight(items: Iterable[Item], work: Callable[[Item], Awaitable[None]], limit: int) -> None:
    """Run `work` on all items, at most `limit` at a time; the first exception cancels the others.

    Args:
        items: items in the order in which their work starts; each is drawn when a worker is free.
        work: coroutine function of one item.
        limit: maximum concurrency, at least 1.
    """
    queue = iter(items)

    async def run_worker() -> None:
        for item in queue:  # shared by all workers
            await work(item)

    workers = [asyncio.ensure_future(run_worker()) for _ in range(limit)]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
