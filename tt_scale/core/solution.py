"""The answer to one question."""

from __future__ import annotations

from dataclasses import dataclass

from tt_scale.core.budget import Usage
from tt_scale.core.path import Outcome, Path

__all__ = ["Solution"]


@dataclass(frozen=True, slots=True)
class Solution:
    """The answer to a question and how it was found.

    Attributes:
        answer: the final answer, or None where no path gave one.
        path: the path that the selector chose, or None.
        outcome: the whole pool, and why the search ended.
        usage: what it cost, with the first steps that a quantile as `tau` was measured on.
    """

    answer: str | None
    path: Path | None
    outcome: Outcome
    usage: Usage
