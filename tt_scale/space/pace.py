"""Limits of a search: how many children it may sample at once, and, if it shares an event loop, turns and a deadline.

The searches of a run have no deadline: they end by their method and their budget. A question that somebody waits for
may have one.
"""

from __future__ import annotations

import time

from tt_scale.config.declare import MOST_PATHS
from tt_scale.core.concurrency import TimeSlice
from tt_scale.errors import ConfigError

__all__ = ["Pace", "TimeIsOverError", "check_children"]


class TimeIsOverError(Exception):
    """The deadline of a search has passed."""


class Pace:
    """Turns and limits of one search in an event loop that it shares.

    Args:
        shared: time slice of all searches of the loop; None for one of its own.
        deadline: `time.monotonic()` at which the search ends; None for no limit.
        most_children: largest number of children that one expansion may sample, at least 1; None for `MOST_PATHS`.
    """

    def __init__(
        self, shared: TimeSlice | None = None, deadline: float | None = None, most_children: int | None = None
    ) -> None:
        self.most_children = most_children or MOST_PATHS
        self._slice = shared or TimeSlice()
        self._deadline = deadline

    async def turn(self) -> None:
        """Let other tasks run if the loop was blocked for long.

        Raises:
            TimeIsOverError: the deadline has passed.
        """
        await self._slice.turn()
        if self._deadline is not None and time.monotonic() >= self._deadline:
            raise TimeIsOverError


def check_children(count: int, most: int) -> None:
    """Refuse an expansion that is too wide, before memory is taken for it.

    Args:
        count: its children.
        most: that are allowed.

    Raises:
        ConfigError: it has more.
    """
    if count > most:
        raise ConfigError(
            f"The method would sample {count:,} children at once; at most {most:,} are allowed.",
            "Lower budget, N, n_beams, beam_width or another width.",
        )
