"""Signals that end a server: the first lets it drain, the second ends it even where its event loop is blocked."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from tt_scale.bench.run.signals import GRACE

__all__ = ["ending_at_signals"]

PATIENCE = 1.0
"""Seconds after a second signal for which an event loop may be blocked."""


@contextmanager
def ending_at_signals(end: Callable[[], object]) -> Iterator[None]:
    """Call something in the event loop at each SIGTERM and each Ctrl-C within the block.

    At the second one the process ends in any case, with the status of the signal: `PATIENCE` seconds later if the
    event loop does not answer, else `GRACE` seconds later, if the models are not closed by then. Engines end with the
    process. Outside of the main thread nothing is done.

    Args:
        end: ends the server; called again, at once.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    received, answered = 0, threading.Event()

    def answer(number: int) -> None:
        end()
        if number > 1:
            answered.set()

    def receive(number: int, frame: FrameType | None) -> None:  # called between two instructions of a blocked loop
        nonlocal received
        received += 1
        with suppress(RuntimeError):  # the loop is closed: the process is at its end
            loop.call_soon_threadsafe(answer, received)
        if received == 2:
            threading.Thread(target=_exit, args=(answered, 128 + number), daemon=True).start()

    before = {number: signal.signal(number, receive) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _exit(answered: threading.Event, status: int) -> None:
    if answered.wait(PATIENCE):
        time.sleep(GRACE)
    os._exit(status)
