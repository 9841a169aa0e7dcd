"""Allocation of a width to paths: pure functions from scores to counts.

Splits and resamplers return one integer per path, and these sum to the width. Random number generators are arguments;
only `random()` is called, whose stream Python guarantees across versions.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from math import ceil, exp, fsum, isqrt, log
from random import Random
from types import MappingProxyType

__all__ = [
    "RESAMPLERS",
    "ceiling_split",
    "dora_weights",
    "effective_sample_size",
    "log_odds",
    "multinomial",
    "near_square",
    "normalised_weights",
    "paths_and_widths",
    "rebase_split",
    "residual",
    "softmax",
    "stratified",
    "systematic",
]

CLIP = 1e-7
"""Distance to which scores are clipped from 0 and 1, so that their log-odds are finite (at most about 16)."""

SLACK = 1e-9
"""Tolerance for rounding errors: a share this close above an integer counts as that integer."""

MOST_TRIED = 1000
"""Values that are tried for one factor of a near-square product."""


def log_odds(score: float) -> float:
    """ln(r / (1 - r)) of a score, clipped to [-16.2, 16.2]."""
    clipped = min(max(score, CLIP), 1.0 - CLIP)
    return log(clipped / (1.0 - clipped))


def softmax(values: Sequence[float]) -> list[float]:
    """exp(v) of each value, normalised to sum to 1 [values]; minus infinity gives 0; one value must be finite."""
    most = max(values)
    powers = [exp(value - most) for value in values]
    total = fsum(powers)
    return [power / total for power in powers]


def normalised_weights(scores: Sequence[float], temperature: float = 1.0) -> list[float]:
    """Weights of particles by the odds of their scores: softmax(log_odds(r) / temperature).

    Args:
        scores: each in [0, 1] [particles].
        temperature: above 0; at 1 a weight is proportional to r / (1 - r), towards infinity all are equal.

    Source: Puri et al. 2025 (arXiv 2502.01618).
    """
    return softmax([log_odds(score) / temperature for score in scores])


def effective_sample_size(weights: Sequence[float]) -> float:
    """Effective sample size, (sum w)^2 / sum w^2: from 1 to the number of particles."""
    return fsum(weights) ** 2 / fsum([weight * weight for weight in weights])


def near_square(width: int) -> tuple[int, int]:
    """Approximate a width from below by a near-square product fewer x more: 8 is 2 x 4, 7 is 2 x 3.

    `more` is at most about one and a half times the square root of the width; of a width above four million only the
    first `MOST_TRIED` values of it are tried, since what remains is a negligible part of such a width.

    Args:
        width: at least 1.
    """
    least, most = isqrt(width), 3 * (isqrt(width - 1) + 1) // 2
    pairs = [(min(width // more, more), more) for more in range(least, min(most, least + MOST_TRIED) + 1)]
    return max(pairs, key=lambda pair: (pair[0] * pair[1], -pair[1]))


def paths_and_widths(width: int) -> tuple[int, int, int]:
    """Split a width into a near-square number of paths and children; the remainder is one more child for some paths.

    Args:
        width: at least 1.

    Returns:
        Paths, children of each, and number of paths with one additional child; 14 is 3 paths of 4 children, 2 with 5.
    """
    paths, _ = near_square(width)
    children, wider = divmod(width, paths)
    return paths, children, wider


def rebase_split(scores: Sequence[float], width: int, temperature: float) -> list[int]:
    """Split a width over paths in proportion to exp(score / temperature), in integers that sum to it.

    From the best path down, each takes the ceiling of its share of the remaining width, so that better paths gain from
    rounding and the last ones may get nothing. Ties go to the earlier path.

    Args:
        scores: each in [0, 1] [paths].
        width: children to allocate, at least 0.
        temperature: above 0; infinity splits evenly, towards 0 the best path takes all.

    Returns:
        Children of each path [paths].

    Source: Wu et al. 2024 (arXiv 2408.00724) and its code. The paper rounds each share separately, and the results
    need not sum to the width.
    """
    most = max(scores)
    return ceiling_split([exp((score - most) / temperature) for score in scores], width)


def ceiling_split(weights: Sequence[float], width: int) -> list[int]:
    """Split a width in proportion to weights: from the heaviest down, each takes the ceiling of its share of the rest.

    Args:
        weights: at least 0, not all of them 0 [paths].
        width: at least 0.

    Returns:
        Integers that sum to the width [paths]; ties go to the earlier path.
    """
    order = sorted(range(len(weights)), key=lambda index: (-weights[index], index))
    remaining = list(accumulate([weights[index] for index in reversed(order)]))[::-1]  # smallest first: least rounding
    counts = [0] * len(weights)
    for index, total in zip(order, remaining, strict=True):
        if not width:
            break
        counts[index] = ceil(width * (weights[index] / total) - SLACK)
        width -= counts[index]
    return counts


def dora_weights(
    scores: Sequence[float], similarities: Sequence[Sequence[float]], balance: float, sharpness: float
) -> list[float]:
    """Weights of paths by quality times uniqueness, so that near copies share the weight of one direction.

    Quality is softmax(score / balance). The uniqueness of a path is its own entry in the softmax of its row of
    similarities / sharpness: about 1 / size of its cluster.

    Args:
        scores: each in [0, 1] [paths].
        similarities: at most 1, and 1 of a path with itself [paths][paths].
        balance: temperature of the scores, above 0.
        sharpness: temperature of the similarities, above 0; infinity makes all paths equally unique.

    Returns:
        Weights that sum to 1 [paths].

    Source: Wang et al. 2025 (arXiv 2506.15707).
    """
    quality = softmax([score / balance for score in scores])
    unique = [softmax([value / sharpness for value in row])[index] for index, row in enumerate(similarities)]
    weights = [score * uniqueness for score, uniqueness in zip(quality, unique, strict=True)]
    total = fsum(weights)
    return [weight / total for weight in weights]


def multinomial(weights: Sequence[float], count: int, random: Random) -> list[int]:
    """Draw `count` times independently; the scheme with the largest variance."""
    return _tally(weights, [random.random() for _ in range(count)])


def stratified(weights: Sequence[float], count: int, random: Random) -> list[int]:
    """Draw once in each of `count` equal strata of [0, 1)."""
    return _tally(weights, [(stratum + random.random()) / count for stratum in range(count)])


def systematic(weights: Sequence[float], count: int, random: Random) -> list[int]:
    """Draw at the same offset in each of `count` equal strata: each path gets its share rounded up or down."""
    offset = random.random()
    return _tally(weights, [(stratum + offset) / count for stratum in range(count)])


def residual(weights: Sequence[float], count: int, random: Random) -> list[int]:
    """Give each path the integer part of its share, and draw the rest independently by the fractions."""
    total = fsum(weights)
    shares = [count * weight / total for weight in weights]
    counts = [int(share + SLACK) for share in shares]
    rest = count - sum(counts)
    if not rest:
        return counts
    fractions = [max(0.0, share - whole) for share, whole in zip(shares, counts, strict=True)]
    return [whole + extra for whole, extra in zip(counts, multinomial(fractions, rest, random), strict=True)]


RESAMPLERS: Mapping[str, Callable[[Sequence[float], int, Random], list[int]]] = MappingProxyType(
    {"multinomial": multinomial, "systematic": systematic, "stratified": stratified, "residual": residual}
)
"""(weights [particles], count, random number generator) -> copies of each particle [particles], summing to count.

All are unbiased: the expected number of copies of a particle is count * weight / sum of weights. A particle of weight
0 is never copied. Source: Douc, Cappé and Moulines 2005 (arXiv cs/0507025).
"""


def _tally(weights: Sequence[float], points: Sequence[float]) -> list[int]:
    """Count the points in [0, 1) that fall into each weight's interval of the cumulative distribution."""
    bounds = list(accumulate(weights))
    last = max(index for index, weight in enumerate(weights) if weight > 0)  # a point may round up to 1
    counts = [0] * len(weights)
    for point in points:
        counts[bisect_right(bounds, point * bounds[-1], hi=last)] += 1
    return counts
