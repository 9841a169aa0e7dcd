"""Plots of accuracy against tokens and of a PRM's calibration; they require the extra `plot`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path as FilePath
from typing import Any

from tt_scale.bench.stats.comparison import Comparison, frontier
from tt_scale.errors import ConfigError, JournalError, MissingExtraError
from tt_scale.prm_eval.measured import Measured

__all__ = ["Curve", "check_plot", "draw_reliability", "plot_comparison", "plot_reliability"]

FORMATS = (".svg", ".png", ".pdf")

COLOURS = 10
"""Number of distinct line colours; further lines differ in their markers."""

MARKS = "o^Dv"

STYLE: Any = {"svg.hashsalt": "tt_scale", "text.parse_math": False}
"""Equal figures are equal files, and a dollar in a name is a dollar."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Reliability curve of one set: one column of the plot.

    Attributes:
        title: title of the column.
        label: label of the curve: the PRM.
        unit: the scored items: "steps" or "solutions".
        bins: mean score, share of correct items, and count of each non-empty bin [bins].
    """

    title: str
    label: str
    unit: str
    bins: Sequence[tuple[float, float, float]]


def check_plot(file: str) -> None:
    """Check before a run that its plot can be drawn.

    Raises:
        ConfigError: the format is unknown, or there is no such folder.
        MissingExtraError: matplotlib is not installed.
    """
    path = FilePath(file)
    if path.suffix.lower() not in FORMATS:
        raise ConfigError(
            f"--plot is {file!r}; allowed: a file that ends in {', '.join(FORMATS)}.", "Type: --plot plot.svg"
        )
    if path.is_dir() or not path.parent.is_dir():
        what = "which is a folder" if path.is_dir() else "whose folder does not exist"
        raise ConfigError(f"--plot is {file!r}, {what}.", "Name a file in a folder that exists.")
    if find_spec("matplotlib") is None:
        raise MissingExtraError("matplotlib", "plot", "A plot")


def plot_comparison(comparison: Comparison, path: str) -> None:
    """Draw accuracy against tokens, one line per method over its budgets.

    Args:
        comparison: a comparison of at least one entry.
        path: path of the figure.

    Raises:
        JournalError: the figure cannot be written.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter

    labels = list(dict.fromkeys([entry.label for entry in comparison.entries]))
    crowded = len(labels) > COLOURS  # with this many lines, error bars would hide them
    widest = 0.0
    with rc_context(STYLE):
        figure = Figure(figsize=(9.4, 5.6) if crowded else (7.2, 4.4), layout="constrained")
        axes = figure.add_subplot()
        for index, label in enumerate(labels):
            line = sorted([e for e in comparison.entries if e.label == label], key=lambda entry: entry.tokens)
            below = [100 * (entry.accuracy - entry.summary.low) for entry in line]
            above = [100 * (entry.summary.high - entry.accuracy) for entry in line]
            widest = max(widest, *below, *above)
            points = [entry.tokens for entry in line], [100 * entry.accuracy for entry in line]
            marks = "s--" if line[0].votes else f"{MARKS[index // COLOURS % len(MARKS)]}-"
            bars = None if crowded else [below, above]
            axes.errorbar(*points, bars, fmt=marks, label=label, capsize=2, markersize=4, elinewidth=0.8)
        best = frontier(comparison.entries)
        points = [entry.tokens for entry in best], [100 * entry.accuracy for entry in best]
        axes.step(*points, where="post", color="0.6", linewidth=5, alpha=0.35, label="Pareto frontier", zorder=0)
        axes.set(xscale="log", xlabel="generated tokens per problem", ylabel="accuracy, %")
        intervals = f"95 % intervals up to ± {widest:.0f} points" if crowded else "95 % intervals"
        head = f"{comparison.dataset}: {comparison.models}, {comparison.problems:,} problems, {intervals}"
        axes.set_title(head, fontsize=9)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        anchor = (1, 1) if crowded else None
        axes.legend(frameon=False, fontsize=8, loc="upper left" if crowded else "best", bbox_to_anchor=anchor)
        try:
            figure.savefig(path, metadata={"Date": None} if path.endswith(".svg") else None)
        except OSError as error:
            raise JournalError(f"The plot {path!r} cannot be written: {error.strerror or error}.") from None


def plot_reliability(measured: Sequence[Measured], file: str) -> None:
    """Draw the reliability curve of each measured set.

    Raises:
        ConfigError: the file cannot be written.
    """
    curves = [
        Curve(each.name, each.prm, each.items.unit, [(b.score, b.right, b.count) for b in each.items.bins()])
        for each in measured
    ]
    try:
        draw_reliability(curves, FilePath(file))
    except OSError as error:
        raise ConfigError(f"The plot {file!r} cannot be written: {error.strerror or error}.") from None


def draw_reliability(curves: Sequence[Curve], file: FilePath) -> None:
    """Draw one column per curve; equal curves give identical SVG files.

    Args:
        curves: at least one curve.
        file: output file; its extension determines the format.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.6 * len(curves), 5.2), layout="constrained")
        columns = figure.subplots(2, len(curves), height_ratios=(3, 1), sharex=True, squeeze=False)
        for curve, upper, lower in zip(curves, *columns, strict=True):
            scores, rights, counts = zip(*curve.bins, strict=True) if curve.bins else ((), (), ())
            upper.plot([0, 1], [0, 1], color="0.7", linewidth=1, label="perfect")
            upper.plot(scores, rights, "o-", label=curve.label)
            upper.set(ylabel=f"share of correct {curve.unit}", xlim=(0, 1), ylim=(0, 1))
            upper.set_title(curve.title, fontsize=9)
            upper.legend(frameon=False)
            lower.bar(scores, counts, width=0.06)
            lower.set(xlabel="score", ylabel=curve.unit, yscale="log")
            for axes in (upper, lower):
                axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(file, metadata={"Date": None} if file.suffix.lower() == ".svg" else None)
