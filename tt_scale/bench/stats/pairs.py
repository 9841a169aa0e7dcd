"""Paired tests of two methods: differences on the same problems, not a comparison of two intervals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from tt_scale.bench.record import Row
from tt_scale.bench.stats.intervals import difference
from tt_scale.grading import Grade

__all__ = [
    "MAJORITY",
    "Pair",
    "corrected",
    "outcomes",
    "paired_differences",
    "paired_test",
    "revoted",
    "uncorrected_differences",
    "with_majority",
]

MAJORITY = "majority"
"""Name of the selector, and of the line for a majority vote over the pool of `best_of_n`."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Paired comparison of two methods on the problems that both searched.

    Attributes:
        first: name of the first method.
        second: name of the second method.
        problems: number of problems that both searched.
        difference: accuracy of the first minus that of the second, in [-1, 1].
        low: lower end of the 95 % interval of this one difference.
        high: upper end; the interval excludes 0 exactly if `raw_p_value` is below .05.
        p_value: p-value of no difference, corrected for the number of pairs unless stated otherwise.
        tokens: generated tokens of the first per token of the second.
        raw_p_value: p-value of no difference without correction.
    """

    first: str
    second: str
    problems: int
    difference: float
    low: float
    high: float
    p_value: float
    tokens: float
    raw_p_value: float


def with_majority(rows: Mapping[str, Sequence[Row]]) -> dict[str, Sequence[Row]]:
    """Add a line after `best_of_n` for a majority vote over the same pools: self-consistency at no extra cost.

    Args:
        rows: method -> its rows; unchanged without `best_of_n`, or if it voted itself.
    """
    extended: dict[str, Sequence[Row]] = {}
    for method, each in rows.items():
        extended[method] = each
        voted = [revoted(row) for row in each]
        if method == "best_of_n" and "self_consistency" not in rows and voted != list(each):
            extended[f"{MAJORITY} of {method}"] = voted
    return extended


def revoted(row: Row) -> Row:
    """The row with the grade of a majority vote over the same pool."""
    verdicts = row.selectors.get(MAJORITY)
    if not verdicts or row.grade == "no_answer":
        return row
    source = row.source_selectors.get(MAJORITY)
    source_grade: Grade | None = None if not source else "correct" if source[max(source)] else "wrong"
    return replace(row, grade="correct" if verdicts[max(verdicts)] else "wrong", source_grade=source_grade)


def paired_differences(rows: Mapping[str, Sequence[Row]]) -> list[Pair]:
    """Compare every pair of methods on the problems that both searched.

    The p-value is that of a sign-flip test of the problems' mean differences, which is McNemar's test if each problem
    was searched once by each method; the interval inverts that test (`intervals.difference`). All p-values are
    corrected by Holm's method (1979), intervals are not.

    Args:
        rows: method -> its rows.
    """
    return corrected(uncorrected_differences(rows))


def uncorrected_differences(rows: Mapping[str, Sequence[Row]]) -> list[Pair]:
    """`paired_differences` without the correction, for pairs that are corrected together with others."""
    pairs = []
    for first, second in combinations(rows, 2):
        gaps = _gaps(rows[first], rows[second])
        if gaps:
            tokens = _tokens(rows[first]) / max(_tokens(rows[second]), 1e-9)
            pairs.append(paired_test(first, second, gaps, tokens))
    return pairs


def corrected(pairs: Sequence[Pair]) -> list[Pair]:
    """Correct the p-values of a family of pairs by Holm's method (1979)."""
    values = _holm([pair.p_value for pair in pairs])
    return [replace(pair, p_value=value) for pair, value in zip(pairs, values, strict=True)]


def paired_test(first: str, second: str, gaps: Sequence[float], tokens: float) -> Pair:
    """Test the differences of two methods, problem by problem.

    Args:
        first: name of the first method.
        second: name of the second method.
        gaps: share of correct searches of the first minus that of the second [problems], at least one.
        tokens: generated tokens of the first per token of the second.
    """
    test = difference(gaps)
    return Pair(first, second, len(gaps), test.mean, test.low, test.high, test.p_value, tokens, test.p_value)


def _gaps(first: Sequence[Row], second: Sequence[Row]) -> list[float]:
    """Difference of the shares of correct searches, for each problem that both searched."""
    left, right = outcomes(first), outcomes(second)
    return [_mean(left[key]) - _mean(right[key]) for key in left if key in right]


def outcomes(rows: Sequence[Row]) -> dict[str, list[bool]]:
    """Problem -> whether each search of it was correct."""
    by_problem: dict[str, list[bool]] = defaultdict(list)
    for row in rows:
        by_problem[row.id].append(row.correct)
    return by_problem


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _tokens(rows: Sequence[Row]) -> float:
    return _mean([row.usage.generated_tokens for row in rows])


def _holm(values: Sequence[float]) -> list[float]:
    """Holm's step-down correction (1979), in the order given."""
    order = sorted(range(len(values)), key=lambda index: values[index])
    corrected = [1.0] * len(values)
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, values[index] * (len(values) - rank)))
        corrected[index] = largest
    return corrected
