"""Everything that a report says of one set."""

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
    """What scoring took.

    Attributes:
        steps: that were scored.
        seconds: of scoring, loading left out.
        tokens: that the PRM was given.
        cached: how many of them it did not compute again.
    """

    steps: int
    seconds: float
    tokens: int
    cached: int


@dataclass(frozen=True)
class Measured:
    """One set, measured.

    Attributes:
        name: of the set.
        prm: its name.
        rows: every solution with its scores [solutions].
        items: what ranking and calibration are measured on.
        figures: lines of the table.
        cost: of the scores.
        remarks: sentences that a reader must know before believing the table.
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
        """Set, PRM and how much was scored."""
        scored = sum([bool(row.scores) for row in self.rows])
        return f"{self.name}: {self.prm}, {scored:,} solutions, {self.cost.steps:,} steps"


def checked_threshold(text: str | None, plans: Sequence[Plan]) -> float | str | None:
    """Read `--threshold`: a number, the name of a set that is measured as well, or nothing.

    Raises:
        ConfigError: it is neither.
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
    """Turn what the journals hold into figures.

    Args:
        plans: whose scores are complete.
        grader: open; finds equal answers.
        threshold: of the first error: a number, the name of the set to choose it on, or None for one half of each.
        whole: whether first errors and best-of-N are measured too, or ranking and calibration alone.
    """
    rows = {plan.asked.name: judged(plan.solutions, plan.scores.rows) for plan in plans}
    chosen = chosen_threshold(rows[threshold]) if isinstance(threshold, str) else threshold
    found = []
    for plan in plans:
        mine = rows[plan.asked.name]
        items, figures = await asyncio.to_thread(calibration_figures, mine, plan.config.agg)
        remarks = [f"Truth: {plan.asked.truth}."]
        if whole and verdicts_of(mine):
            at, told, on = _threshold(plan.asked.name, mine, threshold, chosen)
            remarks.append(told)
            figures += await asyncio.to_thread(first_error_figures, on, at)
        if whole:
            figures += await best_of_n_figures(mine, plan.config.agg, grader)
        cost, remarks = _cost(plan.scores.rows), remarks + _losses(plan)
        found.append(Measured(plan.asked.name, str(plan.config.prm_name), mine, items, figures, cost, remarks))
    return found


def _threshold(
    name: str, rows: Sequence[Judged], asked: float | str | None, chosen: float | None
) -> tuple[float, str, Sequence[Judged]]:
    """The threshold, where it comes from, and the solutions to measure it on."""
    if chosen is None:
        half, other = halves(rows)
        at = chosen_threshold(half)
        told = f"on {len(half):,} solutions (half of the questions), F1 measured on the other {len(other):,}"
        return at, f"First error: threshold {at:.4g} chosen {told}.", other
    if asked == name:
        return chosen, f"First error: threshold {chosen:.4g} chosen on these very solutions: F1 is too high.", rows
    told = f"chosen on {asked}" if isinstance(asked, str) else "as given"
    return chosen, f"First error: threshold {chosen:.4g} {told}.", rows


def _cost(scored: Sequence[Scored]) -> Cost:
    return Cost(
        steps=sum([len(row.values) for row in scored]),
        seconds=sum([row.seconds for row in scored]),
        tokens=sum([row.tokens for row in scored]),
        cached=sum([row.cached for row in scored]),
    )


def _losses(plan: Plan) -> list[str]:
    """What is not in the figures, and how it counts."""
    told = []
    overlong = [row for row in plan.scores.rows if row.overlong]
    failed = [row for row in plan.scores.rows if row.error and not row.overlong]
    counted = "without scores: no hit in F1, never the best, in no AUC"
    if overlong:
        told.append(f"Solutions longer than what the PRM reads: {len(overlong):,}, {counted}.")
    if failed:
        told.append(f"Solutions on which the PRM failed: {len(failed):,}, {counted} (--retry-failed asks again).")
        told.append(f"The first failure, {failed[0].id}: {failed[0].error}")
    if isinstance(plan.asked, GivenSet) or plan.drawn is None:
        return told
    lost = sum([row.lost for row in plan.drawn.rows])
    unsolved = next((row for row in plan.drawn.rows if row.error), None)
    if lost:
        told.append(f"Solutions that could not be sampled: {lost:,}, left out (--retry-failed samples again).")
    if unsolved is not None:
        told.append(f"The first failure, {unsolved.id}: {unsolved.error}")
    unfinished = sum([not solution.finished for solution in plan.solutions])
    if unfinished:
        told.append(f"Solutions without a final answer or cut at a limit: {unfinished:,}, scored, never chosen.")
    return told
