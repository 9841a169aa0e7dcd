"""Print the results of `prm-eval` and `calibrate`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tt_scale.prm_eval.calibration import Bin, tau_for
from tt_scale.prm_eval.figures import Figure, Items
from tt_scale.prm_eval.measured import Cost, Measured
from tt_scale.report.cells import Interval, number_cell, percent_cell
from tt_scale.report.tables import Sheet, drawn

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["evaluation_sheets", "figure_sheet", "print_evaluation", "print_taus", "reliability_sheet", "tau_sheet"]


def print_evaluation(measured: Measured, console: Console) -> None:
    """Print the figures of one set, its reliability table, the cost and remarks."""
    console.print()
    for sheet in evaluation_sheets(measured):
        console.print(drawn(sheet))
    for line in (_cost_line(measured.cost), *measured.remarks):
        console.print(line, markup=False, highlight=False)


def print_taus(measured: Measured, rates: Sequence[float], console: Console) -> None:
    """Print the threshold for each target pass rate, as a flag to paste."""
    parts = _labelled_steps(measured)
    if not parts:
        console.print("No step has both a label and a score, so tau cannot be computed.")
        return
    console.print(drawn(tau_sheet(parts, rates)))


def evaluation_sheets(measured: Measured, rates: Sequence[float] | None = None) -> list[Sheet]:
    """All tables of one set.

    Args:
        measured: the results of the set.
        rates: target pass rates, whose thresholds make one more table; None for none.
    """
    sheets = [figure_sheet(measured.title, measured.figures)]
    if measured.items.labels:
        sheets.append(reliability_sheet(measured.items.unit, measured.items.bins()))
    if rates is not None and (parts := _labelled_steps(measured)):
        sheets.append(tau_sheet(parts, rates))
    return sheets


def _labelled_steps(measured: Measured) -> dict[str, Items]:
    parts = {"first steps": Items.of_steps(measured.rows, first=True), "all steps": Items.of_steps(measured.rows)}
    return {name: items for name, items in parts.items() if items.labels}


def figure_sheet(title: str, figures: Sequence[Figure]) -> Sheet:
    """Table of figures with their intervals."""
    sheet = Sheet(title, ["Figure"], ["Value", "95 % interval"])
    for figure in figures:
        signed = "+" if figure.name.startswith("gain") else ""
        form = f"{signed}.3f"
        value = None if math.isnan(figure.value) else figure.value
        told = f"{figure.low:{form}} to {figure.high:{form}}"
        ends = "" if math.isnan(figure.low) else Interval(told, (figure.low, figure.high))
        sheet.rows.append([figure.name, number_cell(value, form), ends])
    return sheet


def reliability_sheet(unit: str, bins: Sequence[Bin]) -> Sheet:
    """Table of mean score against share of correct items, by bin."""
    sheet = Sheet("Reliability", ["Score"], ["Mean score", "Right", unit.capitalize()])
    for each in bins:
        span = f"{each.low:.1f} to {each.high:.1f}"
        figures = [number_cell(each.score, ".3f"), number_cell(each.right, ".3f"), number_cell(each.count, ",.0f")]
        sheet.rows.append([span, *figures])
    return sheet


def tau_sheet(parts: dict[str, Items], rates: Sequence[float]) -> Sheet:
    """Table of the threshold for each target pass rate, with the shares of correct items above and below it."""
    sheet = Sheet("tau for a pass rate", ["On", "Type"], ["Wanted", "Passes", "Right above", "Right below"])
    for name, items in parts.items():
        sheet.add_group([[name, *_tau_cells(items, rate)] for rate in rates])
    return sheet


def _tau_cells(items: Items, rate: float) -> list[str]:
    tau = tau_for(items.scores, rate)
    passing = [label for score, label in zip(items.scores, items.labels, strict=True) if score >= tau]
    failing = [label for score, label in zip(items.scores, items.labels, strict=True) if score < tau]
    passed = len(passing) / len(items.scores)
    return [f"--tau {tau}", percent_cell(rate, 0), percent_cell(passed), _share(passing), _share(failing)]


def _cost_line(cost: Cost) -> str:
    thousands = max(cost.steps, 1) / 1000
    cached = f"{cost.cached / cost.tokens:.0%} of them cached" if cost.tokens else "none read"
    return f"Per 1,000 steps: {cost.seconds / thousands:.2f} s, {cost.tokens / thousands:,.0f} PRM tokens, {cached}."


def _share(labels: Sequence[bool]) -> str:
    return percent_cell(sum(labels) / len(labels) if labels else None)
