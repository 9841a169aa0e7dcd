"""Print the results of `prm-eval` and `calibrate`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tt_scale.prm_eval.calibration import Bin, tau_for
from tt_scale.prm_eval.figures import Figure, Items
from tt_scale.prm_eval.measured import Cost, Measured
from tt_scale.report.tables import Sheet, drawn

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["figure_sheet", "print_evaluation", "print_taus", "reliability_sheet", "tau_sheet"]


def print_evaluation(measured: Measured, console: Console) -> None:
    """Print the figures of one set, its reliability table, the cost and remarks."""
    console.print()
    console.print(drawn(figure_sheet(measured.title, measured.figures)))
    if measured.items.labels:
        console.print(drawn(reliability_sheet(measured.items.unit, measured.items.bins())))
    for line in (_cost_line(measured.cost), *measured.remarks):
        console.print(line, markup=False, highlight=False)


def print_taus(measured: Measured, rates: Sequence[float], console: Console) -> None:
    """Print the threshold for each target pass rate, as a flag to paste."""
    parts = {"first steps": Items.of_steps(measured.rows, first=True), "all steps": Items.of_steps(measured.rows)}
    parts = {name: items for name, items in parts.items() if items.labels}
    if not parts:
        console.print("No step has both a label and a score, so tau cannot be computed.")
        return
    console.print(drawn(tau_sheet(parts, rates)))


def figure_sheet(title: str, figures: Sequence[Figure]) -> Sheet:
    """Table of figures with their intervals."""
    sheet = Sheet(title, ["Figure"], ["Value", "95 % interval"])
    for figure in figures:
        signed = "+" if figure.name.startswith("gain") else ""
        ends = "" if math.isnan(figure.low) else f"{figure.low:{signed}.3f} to {figure.high:{signed}.3f}"
        sheet.rows.append([figure.name, _number(figure.value, signed), ends])
    return sheet


def reliability_sheet(unit: str, bins: Sequence[Bin]) -> Sheet:
    """Table of mean score against share of correct items, by bin."""
    sheet = Sheet("Reliability", ["Score"], ["Mean score", "Right", unit.capitalize()])
    for each in bins:
        span = f"{each.low:.1f} to {each.high:.1f}"
        sheet.rows.append([span, f"{each.score:.3f}", f"{each.right:.3f}", f"{each.count:,.0f}"])
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
    return [f"--tau {tau}", f"{rate:.0%}", f"{passed:.1%}", _share(passing), _share(failing)]


def _cost_line(cost: Cost) -> str:
    thousands = max(cost.steps, 1) / 1000
    cached = f"{cost.cached / cost.tokens:.0%} of them cached" if cost.tokens else "none read"
    return f"Per 1,000 steps: {cost.seconds / thousands:.2f} s, {cost.tokens / thousands:,.0f} PRM tokens, {cached}."


def _share(labels: Sequence[bool]) -> str:
    return f"{sum(labels) / len(labels):.1%}" if labels else "-"


def _number(value: float, signed: str) -> str:
    return "-" if math.isnan(value) else f"{value:{signed}.3f}"
