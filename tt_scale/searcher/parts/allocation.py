"""How a width is divided over paths: pure functions from scores to counts.

Every function gives one whole number for each path, and they sum to the width. Where chance decides, the source of
chance is an argument; only its `random()` is called, whose stream Python guarantees across versions.
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
"""Scores are moved so far away from 0 and 1 that their log-odds are finite (about 16 at most)."""

SLACK = 1e-9
"""A share that exceeds a whole number by less than this does so by rounding."""


def log_odds(score: float) -> float:
    """ln(r / (1 - r)) of a score, clipped to [-16.2, 16.2]."""
    clipped = min(max(score, CLIP), 1.0 - CLIP)
    return log(clipped / (1.0 - clipped))


def softmax(values: Sequence[float]) -> list[float]:
    """exp(v) of each value, scaled to sum to 1 [values]; minus infinity gives exactly 0, but not all may be that."""
    most = max(values)
    powers = [exp(value - most) for value in values]
    total = fsum(powers)
    return [power / total for power in powers]


def normalised_weights(scores: Sequence[float], temperature: float = 1.0) -> list[float]:
    """Weigh particles by the odds that their scores give them: softmax(log_odds(r) / temperature).

    Args:
        scores: each in [0, 1] [particles].
        temperature: above 0; at 1 a weight is proportional to r / (1 - r), towards infinity all are equal.

    Source: Puri et al. 2025 (arXiv 2502.01618).
    """
    return softmax([log_odds(score) / temperature for score in scores])


def effective_sample_size(weights: Sequence[float]) -> float:
    """(sum w)^2 / sum w^2: how many equally weighted particles are worth as much, from 1 to their number."""
    return fsum(weights) ** 2 / fsum([weight * weight for weight in weights])


def near_square(width: int) -> tuple[int, int]:
    """Write a width as few x more, few <= more: near its root, and nearest to it from below; 8 is 2 x 4, 7 is 2 x 3.

    `more` is at most about one and a half times the root.

    Args:
        width: at least 1.
    """
    most = 3 * (isqrt(width - 1) + 1) // 2
    pairs = [(min(width // more, more), more) for more in range(isqrt(width), most + 1)]
    return max(pairs, key=lambda pair: (pair[0] * pair[1], -pair[1]))


def paths_and_widths(width: int) -> tuple[int, int, int]:
    """Write a width as paths with children, nearly square; what does not divide is one child more for some of them.

    Args:
        width: at least 1.

    Returns:
        Paths, children of each, and how many paths have one child more; 14 is 3 paths of 4 children, 2 of them with 5.
    """
    paths, _ = near_square(width)
    children, wider = divmod(width, paths)
    return paths, children, wider


def rebase_split(scores: Sequence[float], width: int, temperature: float) -> list[int]:
    """Split a width over paths in proportion to exp(score / temperature), in whole numbers that sum to it.

    From the best path down, each takes the ceiling of its share of what is left, so the better ones gain from
    rounding and the tail may get nothing. Ties go to the earlier path.

    Args:
        scores: each in [0, 1] [paths].
        width: children to hand out, at least 0.
        temperature: above 0; infinity splits evenly, towards 0 the best path takes all.

    Returns:
        Children of each path [paths].

    Source: Wu et al. 2024 (arXiv 2408.00724) and its code. The paper rounds each share by itself, which need not
    sum to the width.
    """
    most = max(scores)
    return ceiling_split([exp((score - most) / temperature) for score in scores], width)


def ceiling_split(weights: Sequence[float], width: int) -> list[int]:
    """Split a width in proportion to weights: from the heaviest down, each takes the ceiling of its share of the rest.

    Args:
        weights: at least 0, not all of them 0 [paths].
        width: at least 0.

    Returns:
        Whole numbers that sum to the width [paths]; equal weights are served in order.
    """
    order = sorted(range(len(weights)), key=lambda index: (-weights[index], index))
    remaining = list(accumulate([weights[index] for index in reversed(order)]))[::-1]  # from the small end: exact
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
    """Weigh paths by quality times uniqueness, so that near copies share what one direction earns.

    Quality is softmax(score / balance). Uniqueness of a path is its own part in the softmax of its row of
    similarities / sharpness: about 1 / size of the cluster that it belongs to.

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
    weights = [good * rare for good, rare in zip(quality, unique, strict=True)]
    total = fsum(weights)
    return [weight / total for weight in weights]


def multinomial(weights: Sequence[float], count: int, random: Random) -> list[int]:
    """Draw `count` times independently; the noisiest scheme."""
    return _tally(weights, [random.random() for _ in range(count)])


def stratified(weights: Sequence[float], count: int, random: Random) -> list[int]:
    """Draw once in each of `count` equal strata of [0, 1)."""
    return _tally(weights, [(stratum + random.random()) / count for stratum in range(count)])


def systematic(weights: Sequence[float], count: int, random: Random) -> list[int]:
    """Draw at the same place in each of `count` equal strata: each path gets its share rounded up or down."""
    place = random.random()
    return _tally(weights, [(stratum + place) / count for stratum in range(count)])


def residual(weights: Sequence[float], count: int, random: Random) -> list[int]:
    """Give each path the whole part of its share, and draw the rest independently by the fractions."""
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
"""(weights [particles], count, source of chance) -> copies of each particle [particles], summing to count.

All are unbiased: the expected copies of a particle are count * weight / sum of weights. A particle of weight 0
is never copied. Source: Douc, Cappé and Moulines 2005 (arXiv cs/0507025).
"""


def _tally(weights: Sequence[float], places: Sequence[float]) -> list[int]:
    """Count how many places in [0, 1) fall on each weight, the weights being laid end to end."""
    bounds = list(accumulate(weights))
    last = max(index for index, weight in enumerate(weights) if weight > 0)  # a place may round up to 1
    counts = [0] * len(weights)
    for place in places:
        counts[bisect_right(bounds, place * bounds[-1], hi=last)] += 1
    return counts
