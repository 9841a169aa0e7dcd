"""How often a request is sent again, and how long to wait before."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from tt_scale.engines.endpoints.faults import RequestFault

__all__ = ["RetryPolicy"]

FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
"""Seconds: the wait doubles from the first to the longest."""

MOST_ASKED_WAIT = 120.0
"""Seconds that a server may ask for by `Retry-After`."""

PATIENCE = 4
"""Times as many attempts are made where a server has too much to do: nothing is wrong with it."""


@dataclass(frozen=True)
class RetryPolicy:
    """Exponential waits with jitter; a server's `Retry-After` counts where it is longer.

    Attributes:
        most: further attempts at one request, at least 0.
        chance: source of the jitter; it moves no number of a search.
    """

    most: int = 5
    chance: Random = field(default_factory=Random)

    def gives_up(self, fault: RequestFault, attempts: int) -> bool:
        """Whether a request that failed so many times (at least 1) is not sent again."""
        most = self.most * PATIENCE if fault.kind == "load" else self.most
        return not fault.retryable or attempts > most

    def wait(self, fault: RequestFault, attempts: int) -> float:
        """Seconds before the next attempt, after so many failed ones (at least 1)."""
        own = min(FIRST_WAIT * 2.0 ** (attempts - 1), LONGEST_WAIT) * self.chance.uniform(0.5, 1.0)
        return max(own, min(fault.wait, MOST_ASKED_WAIT))
