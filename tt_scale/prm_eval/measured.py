"""Results of an evaluation on one set: metrics, cost and remarks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from tt_scale.errors import ConfigError
from tt_scale.grading import Grader
from tt_scale.prm_eval.best_of_n import best_of_n_figures
from tt_scale.prm_eval.figures import (
    Figure,
    Items,
    Judged,
    calibration_figures,
    chosen_threshold,
    first_error_figures,
    halves,
    judged,
    verdicts_of,
)
from tt_scale.prm_eval.labelled import GivenSet
from tt_scale.prm_eval.scoring import Scored
from tt_scale.prm_eval.session import Plan

__all__ = ["Cost", "Measured", "checked_threshold", "measure"]


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of scoring.

    Attributes:
        steps: scored steps.
        seconds: seconds of scoring, without loading.
        tokens: input tokens of the PRM.
        cached: input tokens that were read from a cache.
    """

    steps: int
    seconds: float
    tokens: int
    cached: int


@dataclass(frozen=True)
class Measured:
    """Results of one set.

    Attributes:
        name: name of the set.
        prm: name of the PRM.
        rows: all solutions with their scores [solutions].
        items: items of the calibration.
        figures: metrics.
        cost: cost of the scores.
        remarks: caveats to the metrics.
    """

    name: str
    prm: str
    rows: Sequence[Judged] = field(repr=False)
    items: Items = field(repr=False)
    figures: Sequence[Figure]
    cost: Cost
    remarks: Sequence[str]

    @property
    def title(self) -> str:
        """Set, PRM and numbers of scored solutions and steps."""
        scored = sum([bool(row.scores) for row in self.rows])
        return f"{self.name}: {self.prm}, {scored:,} solutions, {self.cost.steps:,} steps"


def checked_threshold(text: str | None, plans: Sequence[Plan]) -> float | str | None:
    """Parse `--threshold`: a number, the name of a set of the same command, or None.

    Raises:
        ConfigError: it is neither a number in [0, 1] nor a set of the command.
    """
    names = [plan.asked.name for plan in plans]
    if text is None or text in names:
        return text
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        raise ConfigError(
            f"threshold is {text!r}; allowed: 0 to 1, or a set of this command to choose it on ({', '.join(names)}).",
            "Without it, it is chosen on one half of the problems and measured on the other.",
        )
    return value


async def measure(
    plans: Sequence[Plan], grader: Grader, threshold: float | str | None = None, *, whole: bool = True
) -> list[Measured]:
    """Compute the metrics of scored sets.

    Args:
        plans: plans with complete scores.
        grader: an open grader, which groups equal answers.
        threshold: threshold of the first error: a number, the set on which it is chosen, or None for one half of each.
        whole: whether to measure first errors and best-of-N too, or only ranking and calibration.
    """
    rows = {plan.asked.name: judged(plan.solutions, plan.scores.rows) for plan in plans}
    chosen = chosen_threshold(rows[threshold]) if isinstance(threshold, str) else threshold
    results = []
    for plan in plans:
        mine = rows[plan.asked.name]
        items, figures = await asyncio.to_thread(calibration_figures, mine, plan.config.agg)
        remarks = [f"Truth: {plan.asked.truth}."]
        if whole and verdicts_of(mine):
            at, remark, on = _threshold(plan.asked.name, mine, threshold, chosen)
            remarks.append(remark)
            figures += await asyncio.to_thread(first_error_figures, on, at)
        if whole:
            figures += await best_of_n_figures(mine, plan.config.agg, grader)
        cost, remarks = _cost(plan.scores.rows), remarks + _losses(plan)
        results.append(Measured(plan.asked.name, str(plan.config.prm_name), mine, items, figures, cost, remarks))
    return results


def _threshold(
    name: str, rows: Sequence[Judged], asked: float | str | None, chosen: float | None
) -> tuple[float, str, Sequence[Judged]]:
    """The threshold, a sentence on its source, and the solutions on which it is measured."""
    if chosen is None:
        half, other = halves(rows)
        at = chosen_threshold(half)
        source = f"on {len(half):,} solutions (half of the questions), F1 measured on the other {len(other):,}"
        return at, f"First error: threshold {at:.4g} chosen {source}.", other
    if asked == name:
        return chosen, f"First error: threshold {chosen:.4g} chosen on these very solutions: F1 is too high.", rows
    source = f"chosen on {asked}" if isinstance(asked, str) else "as given"
    return chosen, f"First error: threshold {chosen:.4g} {source}.", rows


def _cost(scored: Sequence[Scored]) -> Cost:
    return Cost(
        steps=sum([len(row.values) for row in scored]),
        seconds=sum([row.seconds for row in scored]),
        tokens=sum([row.tokens for row in scored]),
        cached=sum([row.cached for row in scored]),
    )


def _losses(plan: Plan) -> list[str]:
    """Sentences on solutions that failed or were not finished, and how they count."""
    sentences = []
    overlong = [row for row in plan.scores.rows if row.overlong]
    failed = [row for row in plan.scores.rows if row.error and not row.overlong]
    counted = "without scores: no hit in F1, never the best, in no AUC"
    if overlong:
        sentences.append(f"Solutions longer than what the PRM reads: {len(overlong):,}, {counted}.")
    if failed:
        sentences.append(f"Solutions on which the PRM failed: {len(failed):,}, {counted} (--retry-failed asks again).")
        sentences.append(f"The first failure, {failed[0].id}: {failed[0].error}")
    if isinstance(plan.asked, GivenSet) or plan.drawn is None:
        return sentences
    lost = sum([row.lost for row in plan.drawn.rows])
    unsolved = next((row for row in plan.drawn.rows if row.error), None)
    if lost:
        sentences.append(f"Solutions that could not be sampled: {lost:,}, left out (--retry-failed samples again).")
    if unsolved is not None:
        sentences.append(f"The first failure, {unsolved.id}: {unsolved.error}")
    unfinished = sum([not solution.finished for solution in plan.solutions])
    if unfinished:
        sentences.append(f"Solutions without a final answer or cut at a limit: {unfinished:,}, scored, never chosen.")
    return sentences
