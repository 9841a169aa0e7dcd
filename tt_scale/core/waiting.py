"""Number of calls that wait for a backend, and the time of its last progress; a watchdog reads both."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

__all__ = ["Backend", "progressed", "waiting_for"]


class Backend(Protocol):
    """The part of a generator or PRM that this module updates.

    Attributes:
        waiting: number of calls that wait for it now.
        last_progress: `time.monotonic()` of its last progress: a finished call, or a new token.
    """

    waiting: int
    last_progress: float


@contextmanager
def waiting_for(backend: Backend) -> Iterator[None]:
    """Count a call while it waits; the first one after a pause restarts the clock."""
    if not backend.waiting:
        progressed(backend)
    backend.waiting += 1
    try:
        yield
    finally:
        backend.waiting -= 1
        progressed(backend)


def progressed(backend: Backend) -> None:
    """Record progress; backends call it for each new token, or batch of tokens."""
    backend.last_progress = time.monotonic()
