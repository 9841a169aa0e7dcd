"""An event loop in a thread of its own, for callers with another loop or none."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from tt_scale.errors import ConfigError

__all__ = ["LoopThread"]

Result = TypeVar("Result")


class LoopThread:
    """Runs coroutines of any thread in one event loop, until it is closed."""

    def __init__(self) -> None:
        self._closed = False
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="tt_scale", daemon=True)
        self._thread.start()

    def submit(self, work: Coroutine[Any, Any, Result]) -> Future[Result]:
        """Begin a coroutine; cancelling the future cancels it.

        Raises:
            ConfigError: the thread is closed.
        """
        with self._lock:
            if not self._closed:
                return asyncio.run_coroutine_threadsafe(work, self._loop)
        work.close()
        raise ConfigError("The solver is closed.", "Write: with Solver(config) as solver: ...")

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Wait for a coroutine; an interrupt of the waiting thread (Ctrl-C) cancels it. Errors as of `submit`."""
        future = self.submit(work)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    async def wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Wait in another event loop; cancelling the wait cancels the coroutine. Errors as of `submit`."""
        return await asyncio.wrap_future(self.submit(work))

    def close(self) -> None:
        """Cancel what still runs, and end the thread; a second call does nothing."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            with self._lock:
                self._closed = True  # also where a task ended the loop, with SystemExit
            while tasks := asyncio.all_tasks(self._loop):  # a cancelled task may begin others
                for task in tasks:
                    task.cancel()
                self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()
