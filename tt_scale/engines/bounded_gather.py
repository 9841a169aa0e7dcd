"""Bounded concurrency: run a coroutine for many items, a limited number at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

__all__ = ["in_flight"]

Item = TypeVar("Item")


async def in_flight(items: Iterable[Item], work: Callable[[Item], Awaitable[None]], limit: int) -> None:
    """Work on all items, at most `limit` at a time; the first exception ends all of it.

    Args:
        items: in the order in which they are begun; each is taken when there is a place for it.
        work: on one of them.
        limit: at least 1.
    """
    waiting = iter(items)

    async def take() -> None:
        for item in waiting:  # shared by all workers
            await work(item)

    workers = [asyncio.ensure_future(take()) for _ in range(limit)]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
