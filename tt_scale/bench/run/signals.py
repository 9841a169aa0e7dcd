"""Run a coroutine to its end, or to an end that somebody asks for."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, TypeVar

from tt_scale.errors import EngineDeadError

__all__ = ["GRACE", "TERMINATED", "wait_for"]

Result = TypeVar("Result")

GRACE = 10.0
"""Seconds that a command may take to close its models after a termination signal; a second one ends it at once."""

TERMINATED = 143
"""Exit status of a process that was asked to end: 128 and the number of SIGTERM, as shells have it."""


def wait_for(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine; a termination signal cancels it as Ctrl-C does, so that engines are closed.

    A backend may block the event loop, or cleaning up may hang: `GRACE` seconds after the signal, or at a second one,
    the process ends all the same, with the status of the signal. What was finished is in the journal by then, and
    engines end with the process.

    Raises:
        KeyboardInterrupt: Ctrl-C.
        asyncio.CancelledError: a termination signal, or the end of the terminal.
    """
    interrupted = threading.Event()

    async def guarded() -> Result:
        task = asyncio.ensure_future(work)
        loop = asyncio.get_running_loop()
        with _noting_interrupts(interrupted), _terminating(lambda: loop.call_soon_threadsafe(task.cancel)):
            return await task

    try:
        return asyncio.run(guarded())
    except EngineDeadError:
        if interrupted.is_set():  # Ctrl-C reaches the engine's process too, which may end first
            raise KeyboardInterrupt from None
        raise


@contextmanager
def _noting_interrupts(interrupted: threading.Event) -> Iterator[None]:
    """Set an event at Ctrl-C, then do what is done at it anyway."""
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return

    def note(number: int, frame: FrameType | None) -> None:
        interrupted.set()
        handler(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


@contextmanager
def _terminating(cancel: Callable[[], object]) -> Iterator[None]:
    """Call `cancel` at a termination signal that has its default meaning so far.

    These are handlers of Python and not of the event loop, which would wait for a loop that is blocked.
    """
    asked = threading.Event()

    def terminate(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            os._exit(TERMINATED)
        asked.set()
        _exit_after(GRACE)
        with suppress(RuntimeError):  # the loop is closed: the command is at its end
            cancel()

    numbers = (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM))
    mine = [number for number in dict.fromkeys(numbers) if _has_default(number)]  # `nohup` ignores the second
    for number in mine:
        signal.signal(number, terminate)
    try:
        yield
    finally:
        for number in mine:
            signal.signal(number, signal.SIG_DFL)


def _has_default(number: int) -> bool:
    main = threading.current_thread() is threading.main_thread()
    return main and signal.getsignal(number) is signal.SIG_DFL


def _exit_after(seconds: float) -> None:
    """End the process later, whatever it does then; the timer outlives the work, since interpreters may hang, too."""
    timer = threading.Timer(seconds, os._exit, [TERMINATED])
    timer.daemon = True
    timer.start()
