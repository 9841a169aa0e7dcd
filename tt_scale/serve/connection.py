"""Wait for a search no longer than its client does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

__all__ = ["ClientGoneError", "while_connected"]

Result = TypeVar("Result")
Receive = Callable[[], Awaitable[Any]]


class ClientGoneError(Exception):
    """The client closed its connection."""


async def while_connected(work: Coroutine[Any, Any, Result], receive: Receive) -> Result:
    """Wait for work; cancel it, and wait for its end, when the client closes the connection.

    Args:
        work: to be done.
        receive: of the ASGI server; the body of the request was read.

    Raises:
        ClientGoneError: the client went away first.
    """
    task = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait([task, leaving], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientGoneError
    finally:
        for each in (leaving, task):
            each.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await each


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
