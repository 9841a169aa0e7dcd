"""How well scores rank and how well they are calibrated: pure functions of scores, labels and weights.

A weight says how often an item counts: 1 in the sample at hand, 0, 1, 2, ... in a resample. Everything that needs an
interval therefore takes weights, and one bootstrap serves all.
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
        high: upper end, left to the next bin; the last one includes 1.
        score: mean score, in [0, 1].
        right: share of items that are right, in [0, 1].
        count: sum of the weights, above 0.
    """

    low: float
    high: float
    score: float
    right: float
    count: float


def roc_auc(scores: Sequence[float], labels: Sequence[bool], weights: Sequence[float] | None = None) -> float:
    """Area under the ROC curve: the odds that a right item has a higher score than a wrong one, ties counting half.

    Args:
        scores: any numbers [items].
        labels: whether each item is right [items].
        weights: at least 0 [items]; None counts each once.

    Returns:
        A number in [0, 1]; NaN where there is nothing right or nothing wrong.

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
    """Sort items into bins of equal width by score.

    Args:
        scores: each in [0, 1] [items].
        labels: whether each item is right [items].
        weights: at least 0 [items]; None counts each once.
        bins: at least 1.

    Returns:
        The bins that hold something, from low to high.
    """
    import numpy as np

    values = np.asarray(scores, float)
    weight = np.ones(len(values)) if weights is None else np.asarray(weights, float)
    place = np.minimum((values * bins).astype(int), bins - 1)
    count = np.bincount(place, weight, bins)
    score = np.bincount(place, weight * values, bins)
    right = np.bincount(place, weight * np.asarray(labels, bool), bins)
    return [
        Bin(at / bins, (at + 1) / bins, float(score[at] / count[at]), float(right[at] / count[at]), float(count[at]))
        for at in range(bins)
        if count[at] > 0
    ]


def expected_calibration_error(bins: Sequence[Bin]) -> float:
    """Mean gap between score and share of right items, bins weighted by what they hold; NaN without bins.

    Source: Naeini, Cooper and Hauskrecht 2015 (AAAI).
    """
    total = math.fsum([each.count for each in bins])
    return math.fsum([abs(each.score - each.right) * each.count for each in bins]) / total if bins else math.nan


def tau_for(scores: Sequence[float], pass_rate: float) -> float:
    """Give the threshold that a wanted share of scores reaches, with as few decimals as tell it apart.

    The largest number that at least `pass_rate` of the scores reach, rounded down as far as no further score passes.

    Args:
        scores: each in [0, 1], at least one [items].
        pass_rate: above 0, at most 1.

    Raises:
        ValueError: no scores, or a pass rate out of its range.
    """
    if not scores or not 0.0 < pass_rate <= 1.0:
        raise ValueError(f"tau_for needs scores and 0 < pass_rate <= 1, not {len(scores)} scores, {pass_rate=}.")
    falling = sorted(scores, reverse=True)
    needed = math.ceil(pass_rate * len(falling) - 1e-9)  # 0.7 * 10 is a little above 7
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
    """95 % interval of a statistic, problems being drawn at random: all items of a problem come or stay together.

    Args:
        statistic: of the weights of the items [items]; may be NaN for a resample that has only one class.
        groups: the problem of each item [items].
        resamples: at least 1; seeded, so that a table can be made twice.

    Returns:
        Lower and upper end; NaN where there are fewer than two problems or no resample gives a number.

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
    found = [value for value in drawn if not math.isnan(value)]
    if not found:
        return math.nan, math.nan
    low, high = np.percentile(found, (2.5, 97.5))
    return float(low), float(high)
