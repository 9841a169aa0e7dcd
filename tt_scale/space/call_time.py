"""Wall time in which calls of one search to a backend were in flight."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["CallTime"]


class CallTime:
    """Measures the time in which at least one call was in flight; calls that overlap count once."""

    def __init__(self) -> None:
        self._in_flight = 0
        self._began = 0.0
        self._ended_seconds = 0.0

    @property
    def seconds(self) -> float:
        """Seconds so far, those of calls that are still in flight included."""
        return self._ended_seconds + (time.monotonic() - self._began if self._in_flight else 0.0)

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Measure a call, also one that fails."""
        if not self._in_flight:
            self._began = time.monotonic()
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._ended_seconds += time.monotonic() - self._began
