"""Every chart by name, with what a reader is told about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from tt_scale.report.charts.accuracy import accuracy_chart, undrawn
from tt_scale.report.charts.cost import seconds_chart, timeline_chart, token_chart, uncounted, untimed
from tt_scale.report.charts.levels import level_chart
from tt_scale.report.charts.palette import Style
from tt_scale.report.charts.scores import area_chart, reliability_chart, score_chart
from tt_scale.report.charts.selection import aggregate_chart, selector_chart
from tt_scale.report.prm_quality import rankable
from tt_scale.report.side_by_side import SideBySide

__all__ = ["CHARTS", "Chart", "makeable"]

INTERVALS = "Lines through the points are 95 % intervals, problems being drawn at random."
POOLED = "Only paths that ended in a pool are graded, so only they are counted."


@dataclass(frozen=True, slots=True)
class Chart:
    """One kind of chart.

    Attributes:
        title: above it.
        caption: what a reader must know to read it.
        make: draws it.
        possible: whether there is anything to draw.
        facets: whether it is made of panels that have sizes of their own.
        undrawn: names of what it leaves out, because the number on its axis is unknown.
        unknown: that number, in the plural.
    """

    title: str
    caption: str
    make: Callable[[SideBySide, Style], dict[str, Any]]
    possible: Callable[[SideBySide], bool] = lambda found: True
    facets: bool = False
    undrawn: Callable[[SideBySide], Sequence[str]] = lambda found: ()
    unknown: str = ""

    def note(self, found: SideBySide) -> str:
        """State what it leaves out; empty if nothing."""
        names = self.undrawn(found)
        return f"Not drawn, because their {self.unknown} are unknown: {', '.join(names)}." if names else ""


def _scored(found: SideBySide) -> bool:
    return bool(found.scored)


def _rankable(found: SideBySide, by: str) -> bool:
    return any(rankable(digests, by) for digests in found.scored.values())


def _has_levels(found: SideBySide) -> bool:
    return any(problem.level is not None for problem in found.problems)


def _timed(found: SideBySide) -> bool:
    return len(untimed(found.runs)) < len(found.runs)


def _against(cost: str, title: str, caption: str, unknown: str) -> Chart:
    """Accuracy against a cost, where an entry has it."""
    return Chart(
        title,
        f"{INTERVALS} {caption}",
        lambda found, style: accuracy_chart(found.comparison, cost, style),
        lambda found: len(undrawn(found.comparison, cost)) < len(found.comparison.entries),
        undrawn=lambda found: undrawn(found.comparison, cost),
        unknown=unknown,
    )


CHARTS: Mapping[str, Chart] = MappingProxyType(
    {
        "accuracy-tokens": _against(
            "tokens",
            "Accuracy against generated tokens",
            "The grey band is the Pareto frontier: nothing left of it is as accurate.",
            "generated tokens",
        ),
        "accuracy-all-tokens": _against(
            "all_tokens",
            "Accuracy against all tokens",
            "Tokens that the PRM reads count as much as generated ones here.",
            "generated tokens or PRM tokens",
        ),
        "accuracy-seconds": _against(
            "seconds",
            "Accuracy against seconds",
            "Seconds of one search while others ran beside it; they depend on the machine.",
            "seconds",
        ),
        "levels": Chart("Accuracy by level", INTERVALS, lambda found, style: level_chart(found, style), _has_levels),
        "selectors": Chart(
            "Selectors on the same pools",
            "What each selector would have answered from the first paths of a pool; oracle is the ceiling of all.",
            lambda found, style: selector_chart(found, style),
            facets=True,
        ),
        "aggregates": Chart(
            "Aggregates on the same pools",
            f"What would have been answered if step scores were aggregated otherwise at the end. {INTERVALS}",
            lambda found, style: aggregate_chart(found.scored, style),
            _scored,
            facets=True,
        ),
        "scores": Chart(
            "Scores of right and of wrong paths",
            f"Right paths upwards, wrong ones downwards, each as shares of their own number. {POOLED}",
            lambda found, style: score_chart(found.scored, style),
            _scored,
            facets=True,
        ),
        "reliability": Chart(
            "Is a score a probability?",
            "On the dashed line, as many paths are right as their score says. A larger point stands for more paths. "
            f"{POOLED}",
            lambda found, style: reliability_chart(found.scored, style),
            _scored,
        ),
        "auc-levels": Chart(
            "Ranking by level",
            f"Area under the ROC curve: the odds that a right path scores above a wrong one. {POOLED} {INTERVALS}",
            lambda found, style: area_chart(found.scored, "level", style),
            lambda found: _rankable(found, "level"),
        ),
        "auc-depths": Chart(
            "Ranking by depth",
            f"How well the score of the n-th step alone tells how its path ends. {POOLED} {INTERVALS}",
            lambda found, style: area_chart(found.scored, "depth", style),
            lambda found: _rankable(found, "depth"),
        ),
        "tokens": Chart(
            "Where tokens went",
            "Retried: children of an attempt after which the search stepped back.",
            lambda found, style: token_chart(found.digests, style),
            lambda found: len(uncounted(found.digests)) < len(found.digests),
            undrawn=lambda found: uncounted(found.digests),
            unknown="tokens",
        ),
        "timeline": Chart(
            "Problems in flight",
            "Laid out from the seconds of each search, their order and how many run at once; grading is not in it.",
            lambda found, style: timeline_chart(found.runs, style),
            _timed,
            undrawn=lambda found: untimed(found.runs),
            unknown="seconds",
        ),
        "seconds": Chart(
            "Seconds per problem",
            "The share of problems whose search took at most so long; a long tail to the right keeps the machine idle.",
            lambda found, style: seconds_chart(found.runs, style),
            _timed,
            undrawn=lambda found: untimed(found.runs),
            unknown="seconds",
        ),
    }
)
"""Every chart, by the name that `tt-scale plot --kind` takes."""


def makeable(found: SideBySide) -> list[str]:
    """The charts that there is something to draw for."""
    return [name for name, chart in CHARTS.items() if chart.possible(found)]
