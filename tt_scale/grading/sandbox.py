"""Self-imposed limits of a grading worker, set before its first comparison.

A worker ignores Ctrl-C (its parent ends it), ends when its parent is gone, and kills itself when it exceeds its memory
limit. It is killed instead of refused memory because Math-Verify swallows a `MemoryError` and then reports the answers
as unequal; a higher limit of the operating system catches single huge allocations.

The memory is checked by a thread, which a long integer power blocks. Therefore an alarm of the operating system ends
each comparison that the parent did not end in time because it was killed itself.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["alarm", "enter"]

_GIBIBYTE = 1 << 30
_INTERVAL = 0.05
_GRACE = 1.0
"""Additional seconds before the alarm, in which the parent should have ended the comparison."""


def enter(memory: int) -> None:
    """Set the limits of this process, and import the grader, so that no comparison includes the import.

    Args:
        memory: maximum resident memory of the process in bytes.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a busy interpreter would not run a handler
    if sys.platform != "win32":
        import resource

        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        with suppress(ValueError, OSError):  # refused where the system sets a lower limit
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_AS, (memory + _GIBIBYTE, memory + _GIBIBYTE))
    import math_verify  # noqa: F401

    threading.Thread(target=_watch, args=(memory, os.getppid()), name="watch", daemon=True).start()


@contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """Let the operating system end this process if the block exceeds the limit.

    Args:
        seconds: limit that the parent enforces, above 0.
    """
    if sys.platform == "win32":
        yield
        return
    signal.setitimer(signal.ITIMER_REAL, seconds + _GRACE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _watch(memory: int, parent: int) -> None:
    while os.getppid() == parent and _resident() <= memory:
        time.sleep(_INTERVAL)
    os.kill(os.getpid(), signal.SIGTERM)


def _resident() -> int:
    """Current resident memory in bytes; 0 if unknown. Peak values are useless, since a child inherits them."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
