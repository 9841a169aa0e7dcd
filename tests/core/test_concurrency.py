"""Waiting for coroutines, and sharing an event loop."""

from __future__ import annotations

import asyncio

import pytest

from tt_scale.core.concurrency import gather_or_cancel, in_parts


async def test_results_are_in_the_order_of_the_coroutines() -> None:
    """Results in the order of completion would be those of other requests."""

    async def after(turns: int) -> int:
        for _ in range(turns):
            await asyncio.sleep(0)
        return turns

    assert await gather_or_cancel([after(3), after(1), after(2)]) == [3, 1, 2]


async def test_a_failure_cancels_the_others_before_it_is_raised() -> None:
    """Requests that go on after a failed step spend tokens that nobody counts."""
    ended: list[str] = []

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("endless")

    async def failing() -> None:
        await asyncio.sleep(0)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await gather_or_cancel([endless(), failing()])
    assert ended == ["endless"]


@pytest.mark.parametrize(("count", "turns"), [(0, 0), (3, 0), (4, 1), (7, 2)])
async def test_parts_are_all_items_in_order_with_a_turn_between_two(count: int, turns: int) -> None:
    done: list[int] = []
    at_turns: list[int] = []

    def work(item: int) -> str:
        done.append(item)
        return str(item)

    async def turn() -> None:
        at_turns.append(len(done))

    assert await in_parts(work, range(count), turn, 3) == [str(item) for item in range(count)]
    assert done == list(range(count))
    assert at_turns == [3 * number for number in range(1, turns + 1)]
