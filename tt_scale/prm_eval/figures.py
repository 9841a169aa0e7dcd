"""Metrics of scored solutions, each with its 95 % interval over problems."""

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
"""The aggregates by which complete solutions are ranked."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A metric with its interval: one line of the table.

    Attributes:
        name: name of the metric.
        value: NaN if it is undefined for the set.
        low: lower end of its 95 % interval; NaN if there is none.
        high: upper end.
    """

    name: str
    value: float
    low: float = math.nan
    high: float = math.nan


@dataclass(frozen=True, slots=True)
class Judged:
    """A labelled solution with a PRM's scores.

    Attributes:
        solution: the labelled solution.
        scores: scores of its steps [steps]; empty if the PRM failed.
    """

    solution: LabelledSolution
    scores: tuple[float, ...]

    @property
    def group(self) -> str:
        """The question: solutions of one question are resampled together."""
        return self.solution.problem.question

    def aggregate(self, agg: str) -> float:
        """Aggregated score of the solution, in [0, 1]."""
        return aggregate(agg, self.scores, self.solution.finished)


@dataclass(frozen=True)
class Items:
    """Scored and labelled items, steps or complete solutions, in ascending order of score.

    Attributes:
        unit: "steps" or "solutions".
        scores: each in [0, 1] [items].
        labels: whether each is correct [items].
        groups: question of each [items].
    """

    unit: str
    scores: Sequence[float]
    labels: Sequence[bool]
    groups: Sequence[str]

    @classmethod
    def of_steps(cls, rows: Sequence[Judged], *, first: bool = False) -> Items:
        """The labelled steps; with `first`, only the first step of each solution."""
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
        """The solutions with a labelled answer, scored by an aggregate."""
        return cls._sorted(
            "solutions",
            [
                (row.aggregate(agg), row.solution.correct, row.group)
                for row in rows
                if row.scores and row.solution.correct is not None
            ],
        )

    @classmethod
    def _sorted(cls, unit: str, items: list[tuple[float, bool, str]]) -> Items:
        items.sort(key=lambda item: item[0])  # sorting sorted scores again in every resample is cheap
        scores, labels, groups = zip(*items, strict=True) if items else ((), (), ())
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
    """Join solutions with their scores [solutions]."""
    values = {row.id: row.values for row in scored}
    return [Judged(each, values.get(each.id, ())) for each in solutions]


def calibration_figures(rows: Sequence[Judged], agg: str) -> tuple[Items, list[Figure]]:
    """Measure ranking and calibration, of steps if they are labelled, and of solutions with labelled answers.

    Args:
        rows: rows of one set.
        agg: the aggregate for the calibration of complete solutions if no step is labelled.

    Returns:
        The items of the calibration, and the metrics.
    """
    steps = Items.of_steps(rows)
    ranked = {name: Items.of_solutions(rows, name) for name in RANKED_BY}
    binned = steps if steps.labels else Items.of_solutions(rows, agg)
    figures = []
    if steps.labels:
        figures += [steps.area("AUC, steps"), steps.error("calibration error, steps")]
    elif binned.labels:
        figures.append(binned.error(f"calibration error, solutions ({agg})"))
    if len(set(ranked["last"].labels)) == 2:  # both correct and wrong solutions
        figures += [items.area(f"AUC, solutions by {name}") for name, items in ranked.items()]
    return binned, figures


def first_error_figures(rows: Sequence[Judged], threshold: float) -> list[Figure]:
    """Measure the detection of the first wrong step at a threshold, on solutions for which it is known.

    Args:
        rows: rows of one set, without those on which the threshold was chosen.
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
    measured = accuracies(verdicts, threshold)
    return [
        Figure(
            "first error, F1", measured.f1, *interval(lambda weights: f1(erroneous(weights), correct(weights)), groups)
        ),
        Figure("  accuracy where a step is wrong", measured.erroneous, *interval(erroneous, groups)),
        Figure("  accuracy where all are right", measured.correct, *interval(correct, groups)),
    ]


def verdicts_of(rows: Sequence[Judged]) -> list[Verdict]:
    """Verdicts of the solutions whose first wrong step is known."""
    return [Verdict(row.scores, row.solution.first_error) for row in rows if row.solution.knows_first_error]


def halves(rows: Sequence[Judged]) -> tuple[list[Judged], list[Judged]]:
    """Split rows by a hash of the question: one half to choose a threshold, the other to measure it."""
    parts: tuple[list[Judged], list[Judged]] = ([], [])
    for row in rows:
        parts[blake2b(row.group.encode(), digest_size=1).digest()[0] % 2].append(row)
    return parts


def chosen_threshold(rows: Sequence[Judged]) -> float:
    """The threshold with the highest F1 on the given solutions."""
    return best_threshold(verdicts_of(rows))


def weighted_mean(name: str, values: Sequence[float], groups: Sequence[str]) -> Figure:
    """Mean of one value per problem, with its interval."""
    import numpy as np

    array = np.asarray(values, float)
    return Figure(name, float(array.mean()), *interval(lambda weights: float(weights @ array / weights.sum()), groups))
