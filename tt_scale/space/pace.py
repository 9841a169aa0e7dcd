"""Turns that a search leaves to other work of its event loop, and the limits that end it early.

Searches of a run have none: they end by their method and their budget. A question that somebody waits for has.
"""

from __future__ import annotations

import time

from tt_scale.core.concurrency import TimeSlice
from tt_scale.errors import ConfigError

__all__ = ["Pace", "TimeIsOverError"]


class TimeIsOverError(Exception):
    """The deadline of a search has passed."""


class Pace:
    """Limits of one search in an event loop that it shares.

    Args:
        shared: time slice of all searches of the loop; None for one of its own.
        deadline: `time.monotonic()` at which the search ends; None for no limit.
        most_children: largest number of children that one expansion may plan, at least 1; None for no limit.
    """

    def __init__(
        self, shared: TimeSlice | None = None, deadline: float | None = None, most_children: int | None = None
    ) -> None:
        self._slice = shared or TimeSlice()
        self._deadline = deadline
        self._most_children = most_children

    async def turn(self) -> None:
        """Let other tasks run if the loop was blocked for long.

        Raises:
            TimeIsOverError: the deadline has passed.
        """
        await self._slice.turn()
        if self._deadline is not None and time.monotonic() >= self._deadline:
            raise TimeIsOverError

    def check(self, children: int) -> None:
        """Refuse an expansion that is too wide, before memory is taken for it.

        Raises:
            ConfigError: it has more children than are allowed.
        """
        if self._most_children is not None and children > self._most_children:
            raise ConfigError(
                f"The method would extend {children:,} paths at once; a request may ask for {self._most_children:,}.",
                "Lower budget, N, n_beams, beam_width or another width.",
            )
