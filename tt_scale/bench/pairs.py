"""Whether one method beats another: differences over the same problems, not two intervals held side by side."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from tt_scale.bench.record import Row

__all__ = ["MAJORITY", "Pair", "paired_differences", "with_majority"]

MAJORITY = "majority"
"""Name of the line that stands for a vote over the pool of `best_of_n`."""

RESAMPLES = 5000


@dataclass(frozen=True, slots=True)
class Pair:
    """Two methods on the problems that both searched.

    Attributes:
        first: a method.
        second: another.
        problems: that both searched.
        difference: accuracy of the first minus that of the second, in [-1, 1].
        low: lower end of its 95 % interval.
        high: upper end.
        p_value: of no difference, corrected for the number of pairs.
        tokens: generated tokens of the first per token of the second.
    """

    first: str
    second: str
    problems: int
    difference: float
    low: float
    high: float
    p_value: float
    tokens: float


def with_majority(rows: Mapping[str, Sequence[Row]]) -> dict[str, Sequence[Row]]:
    """Put behind `best_of_n` what a majority vote over the very same pools answers: self-consistency at no extra cost.

    Args:
        rows: method -> its rows; unchanged where `best_of_n` is not among them, or voted itself.
    """
    found: dict[str, Sequence[Row]] = {}
    for method, each in rows.items():
        found[method] = each
        voted = [_revoted(row) for row in each]
        if method == "best_of_n" and "self_consistency" not in rows and voted != list(each):
            found[f"{MAJORITY} of {method}"] = voted
    return found


def _revoted(row: Row) -> Row:
    verdicts = row.selectors.get(MAJORITY)
    if not verdicts or row.grade == "no_answer":
        return row
    return replace(row, grade="correct" if verdicts[max(verdicts)] else "wrong")


def paired_differences(rows: Mapping[str, Sequence[Row]]) -> list[Pair]:
    """Compare every two methods on the problems that both searched.

    The interval is a bootstrap over problems (Efron and Tibshirani 1993, percentile, 5,000 resamples, seeded). The
    p-value is McNemar's exact test where each problem was searched once by each method, else a sign-flip permutation
    test of the problems' mean differences; all are corrected by Holm's method (1979).

    Args:
        rows: method -> its rows.
    """
    pairs, raw = [], []
    for first, second in combinations(rows, 2):
        gaps, single = _gaps(rows[first], rows[second])
        if not gaps:
            continue
        difference, low, high = _bootstrapped(gaps)
        raw.append(_exact(gaps) if single else _permuted(gaps))
        tokens = _tokens(rows[first]) / max(_tokens(rows[second]), 1e-9)
        pairs.append(Pair(first, second, len(gaps), difference, low, high, 1.0, tokens))
    return [replace(pair, p_value=value) for pair, value in zip(pairs, _holm(raw), strict=True)]


def _gaps(first: Sequence[Row], second: Sequence[Row]) -> tuple[list[float], bool]:
    """Mean difference of each problem that both searched, and whether each searched it once."""
    left, right = _outcomes(first), _outcomes(second)
    shared = [key for key in left if key in right]
    single = all(len(left[key]) == len(right[key]) == 1 for key in shared)
    return [_mean(left[key]) - _mean(right[key]) for key in shared], single


def _outcomes(rows: Sequence[Row]) -> dict[str, list[bool]]:
    found: dict[str, list[bool]] = defaultdict(list)
    for row in rows:
        found[row.id].append(row.correct)
    return found


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _tokens(rows: Sequence[Row]) -> float:
    return _mean([row.usage.generated_tokens for row in rows])


def _bootstrapped(gaps: Sequence[float]) -> tuple[float, float, float]:
    """Mean and its 95 % interval."""
    mean = _mean(gaps)
    if len(set(gaps)) == 1:
        return mean, mean, mean
    import numpy as np
    from scipy.stats import bootstrap

    found = bootstrap(
        (np.asarray(gaps),),
        np.mean,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(0),
        batch=500,
    )
    return mean, float(found.confidence_interval.low), float(found.confidence_interval.high)


def _exact(gaps: Sequence[float]) -> float:
    """McNemar's exact test (1947): among problems that one method alone solved, each is equally likely to."""
    from scipy.stats import binomtest

    better, worse = sum(gap > 0 for gap in gaps), sum(gap < 0 for gap in gaps)
    return float(binomtest(better, better + worse).pvalue) if better + worse else 1.0


def _permuted(gaps: Sequence[float]) -> float:
    """Sign-flip test: without a difference, each problem's gap is as likely to have the other sign."""
    import numpy as np

    found = np.asarray([gap for gap in gaps if gap])
    if not len(found):
        return 1.0
    flips = np.random.default_rng(0).choice((-1.0, 1.0), size=(RESAMPLES, len(found)))
    reached = np.abs(flips @ found) >= abs(found.sum()) - 1e-9
    return float((reached.sum() + 1) / (RESAMPLES + 1))


def _holm(values: Sequence[float]) -> list[float]:
    """Holm's step-down correction (1979), in the order given."""
    order = sorted(range(len(values)), key=lambda place: values[place])
    corrected = [1.0] * len(values)
    largest = 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, values[place] * (len(values) - rank)))
        corrected[place] = largest
    return corrected
