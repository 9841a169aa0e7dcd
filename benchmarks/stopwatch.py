"""Wall time, and processor time of all threads of this process."""

from __future__ import annotations

import time

__all__ = ["now", "since"]


def now() -> tuple[float, float]:
    """The clock and the processor time, in seconds."""
    return time.perf_counter(), time.process_time()


def since(began: tuple[float, float]) -> tuple[float, float]:
    """What has passed of both."""
    wall, processor = now()
    return wall - began[0], processor - began[1]
