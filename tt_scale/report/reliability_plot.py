"""The reliability curve: score against the share that is right, over a histogram of the scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path as FilePath

from tt_scale.errors import ConfigError, MissingExtraError

__all__ = ["Curve", "check_plot", "draw_reliability"]

FORMATS = (".svg", ".png", ".pdf")


@dataclass(frozen=True, slots=True)
class Curve:
    """One column of the plot.

    Attributes:
        title: above it.
        label: of the curve: the PRM.
        unit: what was scored: "steps" or "solutions".
        bins: mean score, share that is right, and count of each bin that holds something [bins].
    """

    title: str
    label: str
    unit: str
    bins: Sequence[tuple[float, float, float]]


def check_plot(file: str) -> None:
    """Find out before a run whether its plot can be drawn.

    Raises:
        ConfigError: the format is unknown, or there is no such folder.
        MissingExtraError: matplotlib is not installed.
    """
    path = FilePath(file)
    if path.suffix.lower() not in FORMATS:
        raise ConfigError(
            f"plot is {file!r}; allowed: a file that ends in {', '.join(FORMATS)}.", "Type: --plot prm.svg"
        )
    if path.is_dir() or not path.parent.is_dir():
        what = "which is a folder" if path.is_dir() else "whose folder does not exist"
        raise ConfigError(f"plot is {file!r}, {what}.", "Name a file in a folder that exists.")
    if find_spec("matplotlib") is None:
        raise MissingExtraError("matplotlib", "plot", "Drawing a plot")


def draw_reliability(curves: Sequence[Curve], file: FilePath) -> None:
    """Draw one column for each curve; the same curves give the same SVG.

    Args:
        curves: at least one.
        file: written; its ending says how.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "tt_scale"}):
        figure = Figure(figsize=(4.6 * len(curves), 5.2), layout="constrained")
        columns = figure.subplots(2, len(curves), height_ratios=(3, 1), sharex=True, squeeze=False)
        for curve, upper, lower in zip(curves, *columns, strict=True):
            scores, rights, counts = zip(*curve.bins, strict=True) if curve.bins else ((), (), ())
            upper.plot([0, 1], [0, 1], color="0.7", linewidth=1, label="perfect")
            upper.plot(scores, rights, "o-", label=curve.label)
            upper.set(ylabel=f"share of {curve.unit} that are right", xlim=(0, 1), ylim=(0, 1))
            upper.set_title(curve.title, fontsize=9)
            upper.legend(frameon=False)
            lower.bar(scores, counts, width=0.06)
            lower.set(xlabel="score", ylabel=curve.unit, yscale="log")
            for axes in (upper, lower):
                axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(file, metadata={"Date": None} if file.suffix.lower() == ".svg" else None)
