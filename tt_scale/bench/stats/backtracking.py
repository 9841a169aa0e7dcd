"""Backtracking statistics of a run, from its rows.

Passing steps are counted during the search (`threshold.Bar`); whether a correct path followed a backtrack depends on
the gold answer and is computed when the search is recorded (`record.py`), so that no search can use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tt_scale.bench.record import Row

__all__ = ["Backtracking", "sum_up"]


@dataclass(frozen=True, slots=True)
class Backtracking:
    """Sums over the rows of one method.

    Attributes:
        problems: number of rows.
        judged: steps compared with tau; steps of a jump, which all pass, are not counted.
        passed: judged steps that reached tau.
        retries: paths that were retried.
        backtracks: number of times that a search, or a path of it, backtracked.
        recovered: backtracks that were followed by a correct path.
        jumps: number of times that failing steps were accepted.
        tokens: generated tokens.
        wasted: generated tokens on no path of a pool; all tokens of a failed search.
        stepped_back: rows with at least one backtrack.
        led: rows in which a correct path followed a backtrack.
        right: rows of `led` with a correct answer.
    """

    problems: int
    judged: int
    passed: int
    retries: int
    backtracks: int
    recovered: int
    jumps: int
    tokens: int
    wasted: int
    stepped_back: int
    led: int
    right: int

    @property
    def happened(self) -> bool:
        """Whether the method compares steps with tau or backtracks."""
        return bool(self.judged or self.backtracks)

    @property
    def pass_rate(self) -> float | None:
        """Share of judged steps that passed, in [0, 1]; None without judged steps."""
        return self.passed / self.judged if self.judged else None

    @property
    def recovery_rate(self) -> float | None:
        """Share of backtracks that were followed by a correct path, in [0, 1]; None without backtracks."""
        return self.recovered / self.backtracks if self.backtracks else None

    @property
    def wasted_share(self) -> float | None:
        """Share of generated tokens on no path of a pool, in [0, 1]; None without tokens."""
        return self.wasted / self.tokens if self.tokens else None


def sum_up(rows: Sequence[Row]) -> Backtracking:
    """Sum the backtracking telemetry of one method's rows."""

    def total(key: str) -> int:
        return sum([row.telemetry.get(key, 0) for row in rows])

    led = [row for row in rows if row.telemetry.get("recovered", 0)]
    return Backtracking(
        problems=len(rows),
        judged=total("judged"),
        passed=total("passed"),
        retries=total("retries"),
        backtracks=total("backtracks"),
        recovered=total("recovered"),
        jumps=total("jumps"),
        tokens=sum([row.usage.generated_tokens for row in rows]),
        wasted=total("wasted_tokens"),
        stepped_back=sum([row.telemetry.get("backtracks", 0) > 0 for row in rows]),
        led=len(led),
        right=sum([row.correct for row in led]),
    )
