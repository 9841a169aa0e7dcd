"""What `prm-eval` and `calibrate` print."""

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


def print_evaluation(found: Measured, console: Console) -> None:
    """Print the figures of one set, its reliability table, the cost and what must be known."""
    console.print()
    console.print(drawn(figure_sheet(found.title, found.figures)))
    if found.items.labels:
        console.print(drawn(reliability_sheet(found.items.unit, found.items.bins())))
    for line in (_told(found.cost), *found.remarks):
        console.print(line, markup=False, highlight=False)


def print_taus(found: Measured, rates: Sequence[float], console: Console) -> None:
    """Print the threshold for each wanted pass rate, as it can be pasted."""
    parts = {"first steps": Items.of_steps(found.rows, first=True), "all steps": Items.of_steps(found.rows)}
    parts = {name: items for name, items in parts.items() if items.labels}
    if not parts:
        console.print("No step has a label and a score, so that no tau can be told.")
        return
    console.print(drawn(tau_sheet(parts, rates)))


def figure_sheet(title: str, figures: Sequence[Figure]) -> Sheet:
    """One line for each figure, with its interval."""
    sheet = Sheet(title, ["Figure"], ["Value", "95 % interval"])
    for figure in figures:
        signed = "+" if figure.name.startswith("gain") else ""
        ends = "" if math.isnan(figure.low) else f"{figure.low:{signed}.3f} to {figure.high:{signed}.3f}"
        sheet.rows.append([figure.name, _number(figure.value, signed), ends])
    return sheet


def reliability_sheet(unit: str, bins: Sequence[Bin]) -> Sheet:
    """Score against share of right items, bin by bin."""
    sheet = Sheet("Reliability", ["Score"], ["Mean score", "Right", unit.capitalize()])
    for each in bins:
        span = f"{each.low:.1f} to {each.high:.1f}"
        sheet.rows.append([span, f"{each.score:.3f}", f"{each.right:.3f}", f"{each.count:,.0f}"])
    return sheet


def tau_sheet(parts: dict[str, Items], rates: Sequence[float]) -> Sheet:
    """The threshold that a share of scores reaches, and how right what passes and what fails is."""
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


def _told(cost: Cost) -> str:
    thousands = max(cost.steps, 1) / 1000
    cached = f"{cost.cached / cost.tokens:.0%} of them cached" if cost.tokens else "none read"
    return f"Per 1,000 steps: {cost.seconds / thousands:.2f} s, {cost.tokens / thousands:,.0f} PRM tokens, {cached}."


def _share(labels: Sequence[bool]) -> str:
    return f"{sum(labels) / len(labels):.1%}" if labels else "-"


def _number(value: float, signed: str) -> str:
    return "-" if math.isnan(value) else f"{value:{signed}.3f}"
