"""Accuracy against generated tokens, with intervals and the Pareto frontier; needs the extra `plot`."""

from __future__ import annotations

from pathlib import Path as FilePath

from tt_scale.bench.stats.comparison import Comparison, frontier
from tt_scale.errors import ConfigError, JournalError, MissingExtraError

__all__ = ["check_plot", "plot_comparison"]

COLOURS = 10
"""Lines that differ in colour; further ones differ in their marks."""

MARKS = "o^Dv"


def check_plot(path: str) -> None:
    """Find out before a run whether its figure can be drawn in the end.

    Raises:
        MissingExtraError: matplotlib is not installed.
        ConfigError: a format in which none can be written, or no such folder.
    """
    from importlib.util import find_spec

    if FilePath(path).suffix not in (".svg", ".png", ".pdf"):
        raise ConfigError(f"--plot is {path!r}.", "Name a file that ends in .svg, .png or .pdf.")
    if not FilePath(path).parent.is_dir():
        raise ConfigError(f"--plot is {path!r}, but there is no folder {str(FilePath(path).parent)!r}.")
    if find_spec("matplotlib") is None:
        raise MissingExtraError("matplotlib", "plot", "A plot")


def plot_comparison(comparison: Comparison, path: str) -> None:
    """Draw one line for each method over its budgets.

    Args:
        comparison: of at least one entry.
        path: of the figure.

    Raises:
        JournalError: it cannot be written.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter

    labels = list(dict.fromkeys([entry.label for entry in comparison.entries]))
    crowded = len(labels) > COLOURS  # intervals of so many lines would hide the lines
    widest = 0.0
    with rc_context({"svg.hashsalt": "tt_scale"}):
        figure = Figure(figsize=(9.4, 5.6) if crowded else (7.2, 4.4), layout="constrained")
        axes = figure.add_subplot()
        for place, label in enumerate(labels):
            line = sorted([e for e in comparison.entries if e.label == label], key=lambda entry: entry.tokens)
            below = [100 * (entry.accuracy - entry.summary.low) for entry in line]
            above = [100 * (entry.summary.high - entry.accuracy) for entry in line]
            widest = max(widest, *below, *above)
            spots = [entry.tokens for entry in line], [100 * entry.accuracy for entry in line]
            marks = "s--" if line[0].votes else f"{MARKS[place // COLOURS % len(MARKS)]}-"
            bars = None if crowded else [below, above]
            axes.errorbar(*spots, bars, fmt=marks, label=label, capsize=2, markersize=4, elinewidth=0.8)
        best = frontier(comparison.entries)
        spots = [entry.tokens for entry in best], [100 * entry.accuracy for entry in best]
        axes.step(*spots, where="post", color="0.6", linewidth=5, alpha=0.35, label="Pareto frontier", zorder=0)
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
