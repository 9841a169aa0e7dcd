"""Files that `compare --plot` and `prm-eval --plot` draw; they require the extra `report`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path as FilePath

from tt_scale.bench.stats.comparison import Comparison, Entry
from tt_scale.prm_eval.measured import Measured
from tt_scale.report.charts.accuracy import accuracy_chart, undrawn
from tt_scale.report.charts.palette import LIGHT, Style
from tt_scale.report.charts.reliability import Curve, curve_columns
from tt_scale.report.charts.render import whole_chart, write_chart

__all__ = ["draw_reliability", "is_drawable", "plot_comparison", "plot_reliability"]

MOST_INTERVALS = 10
"""Number of methods beyond which intervals would hide the lines."""


def is_drawable(comparison: Comparison) -> bool:
    """Whether the tokens of any entry are known."""
    return len(undrawn(comparison, "tokens")) < len(comparison.entries)


def plot_comparison(comparison: Comparison, path: str) -> None:
    """Draw accuracy against tokens, one line per method over its budgets.

    Args:
        comparison: a comparison of which `is_drawable`.
        path: path of the figure; its extension determines the format.

    Raises:
        JournalError: the figure cannot be written.
    """
    labels = list(dict.fromkeys([entry.label for entry in comparison.entries]))
    crowded = len(labels) > MOST_INTERVALS
    chart = accuracy_chart(comparison, "tokens", Style(LIGHT, labels), intervals=not crowded)
    size = {"width": 640, "height": 420} if crowded else {"width": 560, "height": 340}
    write_chart(whole_chart({**size, **chart}, LIGHT, _titles(comparison, crowded)), path)


def _titles(comparison: Comparison, crowded: bool) -> list[str]:
    missing = undrawn(comparison, "tokens")
    widest = max(map(_half_width, comparison.entries))
    intervals = f"95 % intervals up to ± {100 * widest:.0f} points, not drawn" if crowded else "95 % intervals"
    return [
        "Accuracy against generated tokens",
        f"{comparison.dataset}: {comparison.models}, {comparison.problems:,} problems",
        f"{intervals}; grey band: Pareto frontier",
        *([f"Not drawn, because their tokens are unknown: {', '.join(missing)}"] if missing else []),
    ]


def _half_width(entry: Entry) -> float:
    return max(entry.accuracy - entry.summary.low, entry.summary.high - entry.accuracy)


def plot_reliability(measured: Sequence[Measured], file: str) -> None:
    """Draw the reliability curve of each measured set; errors as in `draw_reliability`."""
    curves = [
        Curve(each.name, each.prm, each.items.unit, [(b.score, b.right, b.count) for b in each.items.bins()])
        for each in measured
    ]
    draw_reliability(curves, FilePath(file))


def draw_reliability(curves: Sequence[Curve], file: FilePath) -> None:
    """Draw one column per curve; equal curves give identical files.

    Args:
        curves: at least one curve.
        file: output file; its extension determines the format.

    Raises:
        JournalError: the file cannot be written.
    """
    style = Style(LIGHT, list(dict.fromkeys([curve.label for curve in curves])))
    write_chart(whole_chart(curve_columns(curves, style), LIGHT), str(file))
