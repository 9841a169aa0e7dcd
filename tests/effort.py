"""What a test can say of speed on any machine: how time grows with size, and time beside that of a fixed piece of work.

Both are processor time of this thread, and the least of some tries, since what else runs can only add to it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["A_SECOND", "LINEAR", "TRIES", "growth", "moment", "moments", "seconds"]

LINEAR = 8.0
"""Most that four times the size may take: twice what is due."""

SHORT = 0.002
"""Seconds below which growth is not looked at: no text holds anybody up in them, and clocks are coarse."""

A_SECOND = 100
"""Moments in a second, where nothing else runs."""

TRIES = 4


def seconds(work: Callable[[], object]) -> float:
    """Processor time of a piece of work."""
    began = time.thread_time()
    work()
    return time.thread_time() - began


def growth(work: Callable[[int], object], size: int) -> float:
    """How many times longer four times the size takes; 0 where that is short.

    Args:
        work: called with a size.
        size: the smaller one.
    """
    small = large = float("inf")
    for _ in range(TRIES):
        small, large = min(small, seconds(lambda: work(size))), min(large, seconds(lambda: work(4 * size)))
        if large < SHORT:
            return 0.0
        if large < LINEAR * small:
            break
    return large / small


def moment() -> float:
    """Processor time of a fixed piece of work, 10 ms where nothing else runs: what slows the tests slows it, too."""
    return seconds(lambda: sum([number * number % 7 for number in range(150_000)]))


def moments(work: Callable[[], object], most: float) -> float:
    """How many moments a piece of work takes.

    Args:
        work: can be done again.
        most: that is few enough; it is tried again only if it took more.
    """
    least = float("inf")
    for _ in range(TRIES):
        before, taken = moment(), seconds(work)
        least = min(least, taken / max(before, moment()))
        if least < most:
            break
    return least
