"""Every chart by name, with its title and caption."""

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

INTERVALS = "Error bars are 95 % intervals over randomly drawn problems."
POOLED = "Only paths of a pool are graded; others are not counted."


@dataclass(frozen=True, slots=True)
class Chart:
    """One kind of chart.

    Attributes:
        title: above it.
        caption: how to read it.
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
            "The grey band is the Pareto frontier: no method has its accuracy at a lower cost.",
            "generated tokens",
        ),
        "accuracy-all-tokens": _against(
            "all_tokens",
            "Accuracy against all tokens",
            "Tokens that the PRM reads count as much as generated ones.",
            "generated tokens or PRM tokens",
        ),
        "accuracy-seconds": _against(
            "seconds",
            "Accuracy against seconds",
            "Wall time of one search with others running concurrently; it depends on the machine.",
            "seconds",
        ),
        "levels": Chart("Accuracy by level", INTERVALS, lambda found, style: level_chart(found, style), _has_levels),
        "selectors": Chart(
            "Selectors on the same pools",
            "Accuracy of each selector on the first paths of each pool. Oracle: any of them is correct.",
            lambda found, style: selector_chart(found, style),
            facets=True,
        ),
        "aggregates": Chart(
            "Aggregates on the same pools",
            f"Accuracy if another aggregate of step scores selected the answers from the same pools. {INTERVALS}",
            lambda found, style: aggregate_chart(found.scored, style),
            _scored,
            facets=True,
        ),
        "scores": Chart(
            "Distribution of path scores",
            f"Correct paths upwards, wrong paths downwards, each as shares of their own number. {POOLED}",
            lambda found, style: score_chart(found.scored, style),
            _scored,
            facets=True,
        ),
        "reliability": Chart(
            "Reliability curve",
            "On the dashed line, the share of correct paths equals their mean score. Point size: number of paths. "
            f"{POOLED}",
            lambda found, style: reliability_chart(found.scored, style),
            _scored,
        ),
        "auc-levels": Chart(
            "AUC by level",
            f"Area under the ROC curve: probability that a correct path scores above a wrong one. {POOLED} {INTERVALS}",
            lambda found, style: area_chart(found.scored, "level", style),
            lambda found: _rankable(found, "level"),
        ),
        "auc-depths": Chart(
            "AUC by depth",
            f"Area under the ROC curve of the score of the n-th step alone. {POOLED} {INTERVALS}",
            lambda found, style: area_chart(found.scored, "depth", style),
            lambda found: _rankable(found, "depth"),
        ),
        "tokens": Chart(
            "Generated tokens by fate",
            "In the pool: on a path of the pool. Retried: sampled in an attempt after which the search backtracked. "
            "Cut: on a path that a limit, an error or the PRM's context ended. Not continued: on any other path.",
            lambda found, style: token_chart(found.digests, style),
            lambda found: len(uncounted(found.digests)) < len(found.digests),
            undrawn=lambda found: uncounted(found.digests),
            unknown="tokens",
        ),
        "timeline": Chart(
            "Problems in flight",
            "Reconstructed from the duration of each search, their order and the concurrency; without grading.",
            lambda found, style: timeline_chart(found.runs, style),
            _timed,
            undrawn=lambda found: untimed(found.runs),
            unknown="seconds",
        ),
        "seconds": Chart(
            "Seconds per problem",
            "Share of problems whose search took at most so long. A long tail leaves the machine idle at the end.",
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
