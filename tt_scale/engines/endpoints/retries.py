"""Retry policy of requests to servers."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from tt_scale.engines.endpoints.faults import RequestFault

__all__ = ["RetryPolicy"]

FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
"""Wait in seconds before the first retry, doubled for each further one up to the longest."""

MOST_ASKED_WAIT = 120.0
"""Longest wait in seconds that a server may ask for by `Retry-After`."""

OVERLOAD_FACTOR = 4
"""Factor for the number of attempts while a server is overloaded."""


@dataclass(frozen=True)
class RetryPolicy:
    """Exponential backoff with jitter; a longer `Retry-After` of the server takes precedence.

    Attributes:
        most: maximum number of retries of a request, at least 0.
        chance: source of the jitter; it does not affect results.
    """

    most: int = 5
    chance: Random = field(default_factory=Random)

    def gives_up(self, fault: RequestFault, attempts: int) -> bool:
        """Whether a request that failed `attempts` times (at least 1) is not retried."""
        most = self.most * OVERLOAD_FACTOR if fault.kind == "load" else self.most
        return not fault.retryable or attempts > most

    def wait(self, fault: RequestFault, attempts: int) -> float:
        """Seconds before the next attempt, after `attempts` failed ones (at least 1)."""
        own = min(FIRST_WAIT * 2.0 ** (attempts - 1), LONGEST_WAIT) * self.chance.uniform(0.5, 1.0)
        return max(own, min(fault.wait, MOST_ASKED_WAIT))
