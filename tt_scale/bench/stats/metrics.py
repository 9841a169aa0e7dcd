"""Metrics of result tables, computed from rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from tt_scale.bench.record import Row
from tt_scale.bench.stats.intervals import mean_interval
from tt_scale.core.budget import Usage
from tt_scale.core.selection import pass_at_k

__all__ = ["Summary", "by_level", "common_pool", "interval", "mean_pass_at_k", "selector_accuracy", "summarise"]

MOST_SEARCHES = 0.9
"""Share of searches whose pool must be as large as the k of a table's pass@k."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Summary of a set of rows: one line of a table.

    Attributes:
        name: "Overall" or "Level n".
        samples: number of rows, failed ones included.
        correct: rows with a correct answer.
        accuracy: correct / samples, in [0, 1].
        low: lower end of the 95 % interval.
        high: upper end.
        tokens: mean generated tokens.
        no_answer: rows without an answer, failed ones included.
        ungraded: rows that the grader could not grade.
        errors: rows that failed.
        usage: total usage.
        by_source: share of rows whose answer the source of recorded samples calls right, in [0, 1]; None if it judged
            none.
    """

    name: str
    samples: int
    correct: int
    accuracy: float
    low: float
    high: float
    tokens: float
    no_answer: int
    ungraded: int
    errors: int
    usage: Usage
    by_source: float | None = None

    @property
    def counted_tokens(self) -> float | None:
        """Mean generated tokens; None if they are unknown."""
        return None if self.usage.counted_tokens is None else self.tokens

    @property
    def counted_prm_tokens(self) -> float | None:
        """Mean tokens that the PRM read; None if they are unknown."""
        counted = self.usage.counted_prm_tokens
        return None if counted is None else counted / max(self.samples, 1)


def interval(rows: Sequence[Row]) -> tuple[float, float]:
    """95 % interval of the accuracy over randomly drawn problems, from the problems' shares of correct searches."""
    outcomes: dict[str, list[bool]] = defaultdict(list)
    for row in rows:
        outcomes[row.id].append(row.correct)
    return mean_interval([sum(each) / len(each) for each in outcomes.values()])


def summarise(name: str, rows: Sequence[Row]) -> Summary:
    """Summarise rows; every row counts in the denominator."""
    low, high = interval(rows)
    correct = sum([row.correct for row in rows])
    count = max(len(rows), 1)
    usage = Usage()
    for row in rows:
        usage = usage + row.usage
    return Summary(
        name=name,
        samples=len(rows),
        correct=correct,
        accuracy=correct / count,
        low=low,
        high=high,
        tokens=usage.generated_tokens / count,
        no_answer=sum([row.grade == "no_answer" for row in rows]),
        ungraded=sum([row.grade == "ungraded" for row in rows]),
        errors=sum([bool(row.error) for row in rows]),
        usage=usage,
        by_source=_by_source(rows),
    )


def _by_source(rows: Sequence[Row]) -> float | None:
    if not any(row.source_grade for row in rows):
        return None
    return sum([row.source_grade == "correct" for row in rows]) / len(rows)


def by_level(rows: Sequence[Row]) -> list[Summary]:
    """Summaries of all rows, then of each level that occurs."""
    levels = sorted({row.level for row in rows if row.level is not None})
    return [
        summarise("Overall", rows),
        *(summarise(f"Level {level}", [row for row in rows if row.level == level]) for level in levels),
    ]


def selector_accuracy(rows: Sequence[Row]) -> dict[str, dict[int, float]]:
    """Accuracy of each selector at each power of two up to the largest pool; key 0 is the whole pool.

    A search with a smaller pool counts with its whole pool, one without a pool as not correct, so that every column has
    the same denominator.
    """
    largest = max([row.telemetry.get("pool", 0) for row in rows], default=0)
    columns = [*(1 << exponent for exponent in range(largest.bit_length())), 0]
    selectors = sorted({selector for row in rows for selector in row.selectors})
    right = {selector: dict.fromkeys(columns, 0) for selector in selectors}
    for row in rows:
        for selector, verdicts in row.selectors.items():
            for size in columns:
                right[selector][size] += _right(verdicts, size)
    return {selector: {size: count / len(rows) for size, count in counts.items()} for selector, counts in right.items()}


def _right(verdicts: Mapping[int, bool], size: int) -> bool:
    sizes = [pool_size for pool_size in verdicts if not size or pool_size <= size]
    return bool(sizes) and verdicts[max(sizes)]


def common_pool(methods: Sequence[Sequence[Row]]) -> int:
    """The k of a table's pass@k: the largest pool size that nine in ten searches of every method reach.

    Args:
        methods: rows of each method of the table.

    Returns:
        At least 1.
    """
    sizes = []
    for rows in methods:
        pools = sorted([row.telemetry.get("pool", 0) for row in rows], reverse=True)
        sizes += pools[ceil(MOST_SEARCHES * len(pools)) - 1 : ceil(MOST_SEARCHES * len(pools))]
    return max(1, min(sizes, default=1))


def mean_pass_at_k(rows: Sequence[Row], k: int) -> float:
    """Mean pass@k: probability that at least one of k finished paths is correct; unbiased for pools of k or more.

    A search with a smaller pool counts with its whole pool.

    Args:
        rows: rows of one method; empty gives 0.
        k: at least 1.
    """
    estimates = []
    for row in rows:
        pool = row.telemetry.get("pool", 0)
        estimates.append(pass_at_k(pool, row.right, min(k, pool)) if pool else 0.0)
    return sum(estimates) / max(len(estimates), 1)
