"""Work that lasts no longer than its client."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tt_scale.serve.connection import ClientGoneError, while_connected


class Client:
    """Sends what is left of a body, then leaves when it is told to."""

    def __init__(self) -> None:
        self.leaves = asyncio.Event()
        self.said = [{"type": "http.request"}]

    async def receive(self) -> Any:
        if self.said:
            return self.said.pop()
        await self.leaves.wait()
        return {"type": "http.disconnect"}


async def test_the_result_of_work() -> None:
    async def work() -> int:
        await asyncio.sleep(0)
        return 7

    before = asyncio.all_tasks()
    assert await while_connected(work(), Client().receive) == 7
    assert asyncio.all_tasks() == before


async def test_the_error_of_work() -> None:
    async def work() -> int:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await while_connected(work(), Client().receive)


async def test_work_has_ended_when_the_client_is_known_to_be_gone() -> None:
    """Its place is given to another request then, which must not search beside it."""
    client, ended = Client(), []

    async def work() -> None:
        client.leaves.set()
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)
            ended.append(True)

    with pytest.raises(ClientGoneError):
        await while_connected(work(), client.receive)
    assert ended == [True]


async def test_cancelling_the_wait_cancels_the_work() -> None:
    begun, ended = asyncio.Event(), []

    async def work() -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    waiting = asyncio.ensure_future(while_connected(work(), Client().receive))
    await begun.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert ended == [True]
