"""An event loop in a thread: every call ends, also one that comes while the thread closes."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import CancelledError, Future

import pytest

from tt_scale.errors import ConfigError
from tt_scale.solver.loop_thread import LoopThread


async def number() -> int:
    await asyncio.sleep(0)
    return 1


def test_a_closed_thread_refuses_work() -> None:
    thread = LoopThread()
    assert thread.run(number()) == 1
    thread.close()
    thread.close()
    with pytest.raises(ConfigError, match=r"The solver is closed\."):
        thread.run(number())


def test_work_of_a_task_that_is_cancelled_ends_too() -> None:
    begun: list[asyncio.Task[None]] = []

    async def begins() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            begun.append(asyncio.ensure_future(asyncio.sleep(60)))

    thread = LoopThread()
    future = thread.submit(begins())
    thread.run(number())
    thread.close()
    with pytest.raises(CancelledError):
        future.result(timeout=0)
    assert [task.cancelled() for task in begun] == [True]


def test_every_call_ends_when_the_thread_closes() -> None:
    """A coroutine that was accepted after the last look at the tasks was never finished."""
    for _ in range(20):
        thread, futures = LoopThread(), list[Future[int]]()

        def submits(thread: LoopThread = thread, futures: list[Future[int]] = futures) -> None:
            while True:
                try:
                    futures.append(thread.submit(number()))
                except ConfigError:
                    return

        others = [threading.Thread(target=submits) for _ in range(3)]
        for other in others:
            other.start()
        thread.close()
        for other in others:
            other.join()
        for future in futures:
            assert future.exception(timeout=0) is None if not future.cancelled() else True
