"""Numbers for tables, from rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from tt_scale.bench.record import Row
from tt_scale.budget import Usage

__all__ = ["Summary", "by_level", "interval", "selector_accuracy", "summarise"]


@dataclass(frozen=True, slots=True)
class Summary:
    """What a table says of some rows.

    Attributes:
        name: "Overall" or "Level n".
        samples: rows, failed ones included.
        correct: rows whose answer is right.
        accuracy: correct / samples, in [0, 1].
        low: lower end of the 95 % interval.
        high: upper end.
        tokens: mean generated tokens.
        no_answer: rows without an answer, failed ones included.
        ungraded: rows that the grader could not judge.
        errors: rows that failed.
        usage: sum of all usage.
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


def interval(rows: Sequence[Row]) -> tuple[float, float]:
    """95 % interval of the accuracy, problems being drawn at random.

    Wilson's score interval (Wilson 1927) where each problem was searched once. With repeats the rows of a problem are
    not independent: there the interval is Wilson's too, with as many samples as would give the standard error
    of the problems' means, so that it stays inside [0, 1].
    """
    if not rows:
        return 0.0, 1.0
    from scipy.stats import norm

    outcomes: dict[str, list[bool]] = defaultdict(list)
    for row in rows:
        outcomes[row.id].append(row.correct)
    means = [sum(each) / len(each) for each in outcomes.values()]
    accuracy = sum(means) / len(means)
    samples = float(len(means))
    if len(rows) > len(means) and len(means) > 1:
        variance = sum([(mean - accuracy) ** 2 for mean in means]) / (len(means) - 1) / len(means)
        if variance > 0:
            samples = max(samples, accuracy * (1 - accuracy) / variance)
    z = float(norm.ppf(0.975))
    centre = (accuracy + z * z / (2 * samples)) / (1 + z * z / samples)
    half = z / (1 + z * z / samples) * sqrt(accuracy * (1 - accuracy) / samples + z * z / (4 * samples * samples))
    return max(0.0, centre - half), min(1.0, centre + half)


def summarise(name: str, rows: Sequence[Row]) -> Summary:
    """Sum rows up; no row is left out of the denominator."""
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
    )


def by_level(rows: Sequence[Row]) -> list[Summary]:
    """Overall, then each level that occurs."""
    levels = sorted({row.level for row in rows if row.level is not None})
    return [
        summarise("Overall", rows),
        *(summarise(f"Level {level}", [row for row in rows if row.level == level]) for level in levels),
    ]


def selector_accuracy(rows: Sequence[Row]) -> dict[str, dict[int, float]]:
    """Accuracy of each selector at each power of two up to the largest pool; 0 stands for whole pools.

    A search whose pool is smaller counts with all that it has, one without a pool as not correct, so that every
    column has the same denominator.
    """
    largest = max([row.telemetry.get("pool", 0) for row in rows], default=0)
    columns = [*(1 << exponent for exponent in range(largest.bit_length())), 0]
    selectors = sorted({selector for row in rows for selector in row.selectors})
    return {
        selector: {size: sum([_right(row, selector, size) for row in rows]) / len(rows) for size in columns}
        for selector in selectors
    }


def _right(row: Row, selector: str, size: int) -> bool:
    verdicts = row.selectors.get(selector, {})
    fitting = [known for known in verdicts if not size or known <= size]
    return bool(fitting) and verdicts[max(fitting)]
