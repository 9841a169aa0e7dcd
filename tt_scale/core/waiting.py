"""Counts the calls that wait for a model, and remembers when it last gave a sign of life."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

__all__ = ["Backend", "progressed", "waiting_for"]


class Backend(Protocol):
    """A generator or PRM, as far as waiting for it goes; the contracts have these attributes.

    Attributes:
        waiting: calls that wait for it now.
        last_progress: `time.monotonic()` of its last sign of progress: a finished call, or a new token.
    """

    waiting: int
    last_progress: float


@contextmanager
def waiting_for(backend: Backend) -> Iterator[None]:
    """Count one call for as long as it waits; the first one after a pause starts the clock."""
    if not backend.waiting:
        progressed(backend)
    backend.waiting += 1
    try:
        yield
    finally:
        backend.waiting -= 1
        progressed(backend)


def progressed(backend: Backend) -> None:
    """Note a sign of progress; backends call it for each new token, or batch of them."""
    backend.last_progress = time.monotonic()
