"""What a grading worker does to itself before its first comparison.

A worker ignores Ctrl-C (its parent ends it), dies when its parent is gone, and kills itself when it has grown past its
memory limit. It is killed rather than refused memory because Math-Verify swallows a `MemoryError` and then calls the
two answers unequal; the hard limit of the operating system stands behind, higher, for a single giant allocation.

The watch is a thread, which a long integer power does not let run. An alarm of the operating system therefore ends each
comparison that its parent should have ended and did not, because it was itself killed.
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
"""Seconds that the parent has to end a comparison after its limit."""


def enter(memory: int) -> None:
    """Confine this process and load the grader, so that no comparison pays for the import.

    Args:
        memory: most bytes that the process may keep resident.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a busy interpreter never gets to run a handler
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
    """Let the operating system end this process where it is still at it after the limit.

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
    """Bytes in memory now; 0 where the system does not tell. Peak figures are useless: a child inherits them."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
