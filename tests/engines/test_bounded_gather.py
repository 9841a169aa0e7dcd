"""Bounded concurrency."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tt_scale.engines.bounded_gather import in_flight


async def test_at_most_limit_items_run_at_a_time_and_all_run() -> None:
    """More requests than an engine's memory allows, or a last item that is never started."""
    running, most, done = 0, 0, []

    async def work(item: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        done.append(item)

    await in_flight(range(10), work, 3)
    assert most == 3
    assert sorted(done) == list(range(10))


async def test_items_are_drawn_when_a_worker_is_free() -> None:
    """A generator of ten thousand problems that is exhausted before the first one is solved."""
    drawn: list[int] = []

    def items() -> Iterator[int]:
        for number in range(5):
            drawn.append(number)
            yield number

    async def work(item: int) -> None:
        assert len(drawn) <= item + 2
        await asyncio.sleep(0)

    await in_flight(items(), work, 2)
    assert drawn == [0, 1, 2, 3, 4]


async def test_the_first_exception_cancels_the_others() -> None:
    """Workers that go on after the caller has given up."""
    cancelled = []

    async def work(item: int) -> None:
        if item:
            raise ValueError("no")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(item)
            raise

    with pytest.raises(ValueError, match="no"):
        await in_flight([0, 1], work, 2)
    assert cancelled == [0]
