"""Ranking and calibration of scores: pure functions of scores, labels and weights.

A weight is the number of times that an item counts: 1 in the original sample, 0, 1, 2, ... in a bootstrap resample. All
statistics with an interval take weights, so that one bootstrap function serves all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Bin", "expected_calibration_error", "interval", "reliability", "roc_auc", "tau_for"]

BINS = 10
RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Bin:
    """The items whose scores fall into one part of [0, 1].

    Attributes:
        low: lower end, included.
        high: upper end, excluded except in the last bin.
        score: mean score, in [0, 1].
        right: share of correct items, in [0, 1].
        count: sum of the weights, above 0.
    """

    low: float
    high: float
    score: float
    right: float
    count: float


def roc_auc(scores: Sequence[float], labels: Sequence[bool], weights: Sequence[float] | None = None) -> float:
    """Area under the ROC curve: probability that a correct item scores higher than a wrong one, ties counting half.

    Args:
        scores: any numbers [items].
        labels: whether each item is correct [items].
        weights: at least 0 [items]; None for 1 each.

    Returns:
        A number in [0, 1]; NaN if all items have the same label.

    Source: Mann and Whitney 1947; Hanley and McNeil 1982.
    """
    import numpy as np

    values, right = np.asarray(scores, float), np.asarray(labels, bool)
    weight = np.ones(len(values)) if weights is None else np.asarray(weights, float)
    if not (weight @ right and weight @ ~right):
        return math.nan
    order = np.argsort(values, kind="stable")
    starts = np.flatnonzero(np.diff(values[order], prepend=-np.inf))  # one for each distinct score
    positive = np.add.reduceat((weight * right)[order], starts)
    negative = np.add.reduceat((weight * ~right)[order], starts)
    below = np.cumsum(negative) - negative
    return float(positive @ (below + negative / 2) / (positive.sum() * negative.sum()))


def reliability(
    scores: Sequence[float], labels: Sequence[bool], weights: Sequence[float] | None = None, bins: int = BINS
) -> list[Bin]:
    """Group items into bins of equal width by score.

    Args:
        scores: each in [0, 1] [items].
        labels: whether each item is correct [items].
        weights: at least 0 [items]; None for 1 each.
        bins: number of bins, at least 1.

    Returns:
        The non-empty bins, from low to high.
    """
    import numpy as np

    values = np.asarray(scores, float)
    weight = np.ones(len(values)) if weights is None else np.asarray(weights, float)
    index = np.minimum((values * bins).astype(int), bins - 1)
    count = np.bincount(index, weight, bins)
    score = np.bincount(index, weight * values, bins)
    right = np.bincount(index, weight * np.asarray(labels, bool), bins)
    return [
        Bin(at / bins, (at + 1) / bins, float(score[at] / count[at]), float(right[at] / count[at]), float(count[at]))
        for at in range(bins)
        if count[at] > 0
    ]


def expected_calibration_error(bins: Sequence[Bin]) -> float:
    """Mean gap between score and share of correct items, bins weighted by their counts; NaN without bins.

    Source: Naeini, Cooper and Hauskrecht 2015 (AAAI).
    """
    total = math.fsum([each.count for each in bins])
    return math.fsum([abs(each.score - each.right) * each.count for each in bins]) / total if bins else math.nan


def tau_for(scores: Sequence[float], pass_rate: float) -> float:
    """Threshold for a target pass rate, with as few decimals as possible.

    The largest number that at least `pass_rate` of the scores reach, rounded down as far as no other score passes.

    Args:
        scores: each in [0, 1], at least one [items].
        pass_rate: target share of scores at or above the threshold, above 0, at most 1.

    Raises:
        ValueError: there are no scores, or the pass rate is out of range.
    """
    if not scores or not 0.0 < pass_rate <= 1.0:
        raise ValueError(f"tau_for needs scores and 0 < pass_rate <= 1, not {len(scores)} scores, {pass_rate=}.")
    falling = sorted(scores, reverse=True)
    needed = math.ceil(pass_rate * len(falling) - 1e-9)  # 0.7 * 10 is slightly above 7
    tau = falling[needed - 1]
    below = next((score for score in falling[needed:] if score < tau), -1.0)
    for decimals in range(1, 17):
        rounded = float(math.floor(tau * 10**decimals) / 10**decimals)
        if below < rounded <= tau:
            return rounded
    return tau


def interval(
    statistic: Callable[[NDArray[Any]], float], groups: Sequence[Hashable], resamples: int = RESAMPLES
) -> tuple[float, float]:
    """95 % bootstrap interval of a statistic over problems: all items of a problem are resampled together.

    Args:
        statistic: function of the items' weights [items]; may be NaN for a resample with only one class.
        groups: the problem of each item [items].
        resamples: number of resamples, at least 1; seeded, so that results are reproducible.

    Returns:
        Lower and upper end; NaN with fewer than two problems or if every resample gives NaN.

    Source: Efron and Tibshirani 1993, percentile bootstrap.
    """
    import numpy as np

    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    if len(numbers) < 2:
        return math.nan, math.nan
    owner = np.asarray([numbers[group] for group in groups])
    random = np.random.default_rng(0)
    even = np.full(len(numbers), 1 / len(numbers))
    drawn = [statistic(random.multinomial(len(numbers), even)[owner].astype(float)) for _ in range(resamples)]
    values = [value for value in drawn if not math.isnan(value)]
    if not values:
        return math.nan, math.nan
    low, high = np.percentile(values, (2.5, 97.5))
    return float(low), float(high)
