"""Detection of the first wrong step, as defined by ProcessBench: pure functions.

The prediction is the first step whose score is below a threshold, or none. It is correct for a solution with an error
if that is its first wrong step, and for one without an error if it is none; F1 is the harmonic mean of both accuracies.

Source: Zheng et al. 2024 (arXiv 2412.06559), section 4.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Accuracies", "Verdict", "accuracies", "best_threshold", "f1", "first_below"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A solution with its scores and its known first wrong step.

    Attributes:
        scores: scores of its steps, each in [0, 1] [steps]; empty if the PRM failed, which is never a hit.
        error: its first wrong step, from 0; None if all steps are correct.
    """

    scores: tuple[float, ...]
    error: int | None

    def hit(self, threshold: float) -> bool:
        """Whether the prediction at a threshold is correct."""
        return bool(self.scores) and first_below(self.scores, threshold) == self.error


@dataclass(frozen=True, slots=True)
class Accuracies:
    """Accuracies of first-error detection at a threshold.

    Attributes:
        erroneous: accuracy on solutions with an error; NaN if there are none.
        correct: accuracy on solutions without an error; NaN if there are none.
    """

    erroneous: float
    correct: float

    @property
    def f1(self) -> float:
        """Harmonic mean of both; 0 if both are 0, NaN if one is NaN."""
        return f1(self.erroneous, self.correct)


def f1(erroneous: float, correct: float) -> float:
    """Harmonic mean of two accuracies, each in [0, 1]; 0 if both are 0."""
    total = erroneous + correct
    return 2 * erroneous * correct / total if total else 0.0


def first_below(scores: Sequence[float], threshold: float) -> int | None:
    """Index of the first step whose score is below a threshold; None if there is none."""
    return next((index for index, score in enumerate(scores) if score < threshold), None)


def accuracies(verdicts: Sequence[Verdict], threshold: float, weights: Sequence[float] | None = None) -> Accuracies:
    """Measure first-error detection at a threshold.

    Args:
        verdicts: solutions with and without errors [solutions].
        threshold: in [0, 1].
        weights: at least 0 [solutions]; None for 1 each.
    """
    weight = [1.0] * len(verdicts) if weights is None else weights
    hits, totals = [0.0, 0.0], [0.0, 0.0]
    for verdict, each in zip(verdicts, weight, strict=True):
        kind = verdict.error is None
        totals[kind] += each
        hits[kind] += each * verdict.hit(threshold)
    erroneous, correct = [hit / total if total else math.nan for hit, total in zip(hits, totals, strict=True)]
    return Accuracies(erroneous, correct)


def best_threshold(verdicts: Sequence[Verdict]) -> float:
    """The threshold with the highest F1.

    A solution without an error is a hit up to its lowest score. One with an error is a hit above the score of its
    first wrong step, up to the lowest score before it. F1 is constant between neighbouring ends of these ranges, so
    only the middle of each gap is tried; ties go to the highest threshold.

    Args:
        verdicts: the solutions on which the threshold is chosen [solutions].

    Returns:
        A number in [0, 1]; 0.5 if no solution has an error, or all have one.
    """
    intact = sorted([min(each.scores, default=-1.0) for each in verdicts if each.error is None])
    ranges = [_range(each.scores, each.error) for each in verdicts if each.error is not None and each.scores]
    possible = [
        (low, high) for low, high in ranges if low < high
    ]  # no threshold predicts a step after one with a lower score
    lows, highs = sorted([low for low, _ in possible]), sorted([high for _, high in possible])
    erroneous = len(verdicts) - len(intact)
    if not erroneous or not intact:
        return 0.5

    def f1_at(threshold: float) -> float:
        hits = bisect_left(lows, threshold) - bisect_left(highs, threshold)  # low < threshold <= high
        return f1(hits / erroneous, (len(intact) - bisect_left(intact, threshold)) / len(intact))

    points = sorted({0.0, 1.0, *lows, *highs, *filter(lambda score: score >= 0.0, intact)})
    return max(map(_middle, pairwise(points)), key=lambda threshold: (f1_at(threshold), threshold))


def _range(scores: Sequence[float], error: int) -> tuple[float, float]:
    return scores[error], min(scores[:error], default=1.0)


def _middle(gap: tuple[float, float]) -> float:
    return (gap[0] + gap[1]) / 2
