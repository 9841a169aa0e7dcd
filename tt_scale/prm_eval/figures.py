"""From scored solutions to figures, each with its 95 % interval over problems."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from tt_scale.core.aggregate import aggregate
from tt_scale.prm_eval.calibration import Bin, expected_calibration_error, interval, reliability, roc_auc
from tt_scale.prm_eval.first_error import Verdict, accuracies, best_threshold, f1
from tt_scale.prm_eval.labelled import LabelledSolution
from tt_scale.prm_eval.scoring import Scored

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "RANKED_BY",
    "Figure",
    "Items",
    "Judged",
    "calibration_figures",
    "chosen_threshold",
    "first_error_figures",
    "halves",
    "judged",
    "verdicts_of",
    "weighted_mean",
]

RANKED_BY = ("last", "min", "mean", "prod")
"""The aggregates that whole solutions are ranked by."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    Attributes:
        name: what is measured.
        value: NaN where the set cannot tell.
        low: lower end of its 95 % interval; NaN where there is none.
        high: upper end.
    """

    name: str
    value: float
    low: float = math.nan
    high: float = math.nan


@dataclass(frozen=True, slots=True)
class Judged:
    """A solution with what a PRM said of it.

    Attributes:
        solution: labelled.
        scores: of its steps [steps]; empty where the PRM failed.
    """

    solution: LabelledSolution
    scores: tuple[float, ...]

    @property
    def group(self) -> str:
        """Solutions of one question are drawn together in a resample."""
        return self.solution.problem.question

    def aggregate(self, agg: str) -> float:
        """One number for the solution, in [0, 1]."""
        return aggregate(agg, self.scores, self.solution.finished)


@dataclass(frozen=True)
class Items:
    """What is ranked, by rising score: steps or whole solutions.

    Attributes:
        unit: "steps" or "solutions".
        scores: each in [0, 1] [items].
        labels: whether each is right [items].
        groups: its question [items].
    """

    unit: str
    scores: Sequence[float]
    labels: Sequence[bool]
    groups: Sequence[str]

    @classmethod
    def of_steps(cls, rows: Sequence[Judged], *, first: bool = False) -> Items:
        """Take the steps that have a label; with `first`, the first step of each solution alone."""
        return cls._sorted(
            "steps",
            [
                (score, label, row.group)
                for row in rows
                for score, label in list(zip(row.scores, row.solution.labels, strict=False))[: 1 if first else None]
                if label is not None
            ],
        )

    @classmethod
    def of_solutions(cls, rows: Sequence[Judged], agg: str) -> Items:
        """Take the solutions whose answer was judged, scored by an aggregate."""
        return cls._sorted(
            "solutions",
            [
                (row.aggregate(agg), row.solution.correct, row.group)
                for row in rows
                if row.scores and row.solution.correct is not None
            ],
        )

    @classmethod
    def _sorted(cls, unit: str, found: list[tuple[float, bool, str]]) -> Items:
        found.sort(key=lambda item: item[0])  # sorting what is sorted is what makes resamples cheap
        scores, labels, groups = zip(*found, strict=True) if found else ((), (), ())
        return cls(unit, scores, labels, groups)

    def area(self, name: str) -> Figure:
        """Area under the ROC curve."""
        return self._figure(name, lambda weights: roc_auc(self.scores, self.labels, weights))

    def error(self, name: str) -> Figure:
        """Expected calibration error."""
        return self._figure(
            name, lambda weights: expected_calibration_error(reliability(self.scores, self.labels, weights))
        )

    def bins(self) -> list[Bin]:
        """The reliability table."""
        return reliability(self.scores, self.labels)

    def _figure(self, name: str, statistic: Callable[[Any], float]) -> Figure:
        import numpy as np

        return Figure(name, statistic(np.ones(len(self.scores))), *interval(statistic, self.groups))


def judged(solutions: Sequence[LabelledSolution], scored: Sequence[Scored]) -> list[Judged]:
    """Put scores to their solutions [solutions]."""
    values = {row.id: row.values for row in scored}
    return [Judged(each, values.get(each.id, ())) for each in solutions]


def calibration_figures(rows: Sequence[Judged], agg: str) -> tuple[Items, list[Figure]]:
    """Measure ranking and calibration: of steps where they have labels, of whole solutions where answers have.

    Args:
        rows: of one set.
        agg: the aggregate by which whole solutions are calibrated where no step has a label.

    Returns:
        What was binned, and the figures.
    """
    steps = Items.of_steps(rows)
    ranked = {name: Items.of_solutions(rows, name) for name in RANKED_BY}
    binned = steps if steps.labels else Items.of_solutions(rows, agg)
    figures = []
    if steps.labels:
        figures += [steps.area("AUC, steps"), steps.error("calibration error, steps")]
    elif binned.labels:
        figures.append(binned.error(f"calibration error, solutions ({agg})"))
    if len(set(ranked["last"].labels)) == 2:  # right and wrong ones
        figures += [items.area(f"AUC, solutions by {name}") for name, items in ranked.items()]
    return binned, figures


def first_error_figures(rows: Sequence[Judged], threshold: float) -> list[Figure]:
    """Measure how often the first wrong step is found at a threshold, in the solutions whose labels tell it.

    Args:
        rows: of one set, those on which the threshold was chosen left out.
        threshold: in [0, 1].
    """
    import numpy as np

    verdicts = verdicts_of(rows)
    if not verdicts:
        return []
    groups = [row.group for row in rows if row.solution.knows_first_error]
    hits = np.asarray([verdict.hit(threshold) for verdict in verdicts], float)
    intact = np.asarray([verdict.error is None for verdict in verdicts], float)

    def share(of: NDArray[Any]) -> Callable[[NDArray[Any]], float]:
        return lambda weights: float(weights @ (hits * of) / total) if (total := weights @ of) else math.nan

    erroneous, correct = share(1.0 - intact), share(intact)
    found = accuracies(verdicts, threshold)
    return [
        Figure(
            "first error, F1", found.f1, *interval(lambda weights: f1(erroneous(weights), correct(weights)), groups)
        ),
        Figure("  accuracy where a step is wrong", found.erroneous, *interval(erroneous, groups)),
        Figure("  accuracy where all are right", found.correct, *interval(correct, groups)),
    ]


def verdicts_of(rows: Sequence[Judged]) -> list[Verdict]:
    """The solutions whose labels tell the first wrong step, as that is measured."""
    return [Verdict(row.scores, row.solution.first_error) for row in rows if row.solution.knows_first_error]


def halves(rows: Sequence[Judged]) -> tuple[list[Judged], list[Judged]]:
    """Split by a hash of the question: one half to choose a threshold on, one to measure it on."""
    parts: tuple[list[Judged], list[Judged]] = ([], [])
    for row in rows:
        parts[blake2b(row.group.encode(), digest_size=1).digest()[0] % 2].append(row)
    return parts


def chosen_threshold(rows: Sequence[Judged]) -> float:
    """The threshold of the highest F1 on some solutions."""
    return best_threshold(verdicts_of(rows))


def weighted_mean(name: str, values: Sequence[float], groups: Sequence[str]) -> Figure:
    """The mean of one number for each problem."""
    import numpy as np

    array = np.asarray(values, float)
    return Figure(name, float(array.mean()), *interval(lambda weights: float(weights @ array / weights.sum()), groups))
