"""Result of solving one question."""

from __future__ import annotations

from dataclasses import dataclass

from tt_scale.core.budget import Usage
from tt_scale.core.path import Outcome, Path

__all__ = ["Solution"]


@dataclass(frozen=True, slots=True)
class Solution:
    """Answer to a question, with the search that produced it.

    Attributes:
        answer: final answer, or None if no path states one.
        path: path that the selector chose, or None.
        outcome: whole pool, and why the search ended.
        usage: cost, including the first steps from which a quantile as `tau` is estimated.
    """

    answer: str | None
    path: Path | None
    outcome: Outcome
    usage: Usage
