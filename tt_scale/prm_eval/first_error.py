"""Finding the first wrong step, as ProcessBench asks for it: pure functions.

A PRM names the first step whose score is below a threshold, or none. A solution with an error counts where that is its
first wrong step; one without counts where none is named; the figure is the harmonic mean of the two accuracies.

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
    """One solution, judged.

    Attributes:
        scores: of its steps, each in [0, 1] [steps]; empty where the PRM gave none, which is never a hit.
        error: its first wrong step, from 0; None where all steps are right.
    """

    scores: tuple[float, ...]
    error: int | None

    def hit(self, threshold: float) -> bool:
        """Whether the truth is found at a threshold."""
        return bool(self.scores) and first_below(self.scores, threshold) == self.error


@dataclass(frozen=True, slots=True)
class Accuracies:
    """What a threshold finds.

    Attributes:
        erroneous: share of the solutions with an error whose first wrong step is named; NaN where there are none.
        correct: share of the solutions without an error in which none is named; NaN where there are none.
    """

    erroneous: float
    correct: float

    @property
    def f1(self) -> float:
        """The harmonic mean of both; 0 where both are, NaN where one has no solutions."""
        return f1(self.erroneous, self.correct)


def f1(erroneous: float, correct: float) -> float:
    """Harmonic mean of two accuracies, each in [0, 1]; 0 where both are 0."""
    total = erroneous + correct
    return 2 * erroneous * correct / total if total else 0.0


def first_below(scores: Sequence[float], threshold: float) -> int | None:
    """The first step whose score is below a threshold, from 0; None where no step is."""
    return next((place for place, score in enumerate(scores) if score < threshold), None)


def accuracies(verdicts: Sequence[Verdict], threshold: float, weights: Sequence[float] | None = None) -> Accuracies:
    """Measure a threshold.

    Args:
        verdicts: any mixture [solutions].
        threshold: in [0, 1].
        weights: at least 0 [solutions]; None counts each once.
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
    """Give the threshold with the highest F1.

    A solution without an error is a hit up to its lowest score. One with an error is a hit above the score of its
    first wrong step, up to the lowest score before it. Between two neighbouring ends of these ranges nothing changes,
    so that the middles of all gaps are all that has to be tried; of equal ones the highest is taken.

    Args:
        verdicts: of the solutions to choose on [solutions].

    Returns:
        A number in [0, 1]; 0.5 where there are no solutions with an error, or none without one.
    """
    intact = sorted([min(each.scores, default=-1.0) for each in verdicts if each.error is None])
    ranges = [_range(each.scores, each.error) for each in verdicts if each.error is not None and each.scores]
    possible = [(low, high) for low, high in ranges if low < high]  # no threshold names a step behind a lower one
    lows, highs = sorted([low for low, _ in possible]), sorted([high for _, high in possible])
    erroneous = len(verdicts) - len(intact)
    if not erroneous or not intact:
        return 0.5

    def worth(threshold: float) -> float:
        hits = bisect_left(lows, threshold) - bisect_left(highs, threshold)  # low < threshold <= high
        return f1(hits / erroneous, (len(intact) - bisect_left(intact, threshold)) / len(intact))

    points = sorted({0.0, 1.0, *lows, *highs, *filter(lambda score: score >= 0.0, intact)})
    return max(map(_middle, pairwise(points)), key=lambda threshold: (worth(threshold), threshold))


def _range(scores: Sequence[float], error: int) -> tuple[float, float]:
    return scores[error], min(scores[:error], default=1.0)


def _middle(gap: tuple[float, float]) -> float:
    return (gap[0] + gap[1]) / 2
