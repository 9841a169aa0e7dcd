"""What backtracking did, and what came of it, from rows.

Who passed is counted where a search judges (`threshold.Bar`); what a backtrack led to needs the gold answer and is
worked out when a search is written down (`record.py`), where no search sees it.
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
        problems: rows.
        judged: steps that were held against tau; those of a jump, which all pass, are not.
        passed: those of them that reached it.
        retries: paths that were tried again.
        backtracks: times that a search, or a path of it, stepped back.
        recovered: those of them that a correct path followed.
        jumps: times that steps were accepted after all.
        tokens: generated.
        wasted: those of them on no path of a pool; all of them where a problem failed.
        stepped_back: rows with a backtrack.
        led: rows in which a correct path followed one.
        right: rows among those that were answered right.
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
        """Whether the method judges steps or steps back at all."""
        return bool(self.judged or self.backtracks)

    @property
    def pass_rate(self) -> float | None:
        """Steps that passed of those judged, in [0, 1]; None where none was."""
        return self.passed / self.judged if self.judged else None

    @property
    def recovery_rate(self) -> float | None:
        """Backtracks that a correct path followed, of all, in [0, 1]; None where there was none."""
        return self.recovered / self.backtracks if self.backtracks else None

    @property
    def wasted_share(self) -> float | None:
        """Tokens on no path of a pool, of all, in [0, 1]; None where there are none."""
        return self.wasted / self.tokens if self.tokens else None


def sum_up(rows: Sequence[Row]) -> Backtracking:
    """Add up what the rows of one method tell."""

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
