"""Accuracy against what it cost: points with intervals, lines of methods over their budgets, the Pareto frontier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from tt_scale.bench.stats.comparison import Comparison, Entry
from tt_scale.report.cells import number_text
from tt_scale.report.charts.palette import Style

__all__ = ["COSTS", "accuracy_chart", "cost_chart", "undrawn"]

VOTE_DASH, SOLID = [5, 4], [1, 0]

COSTS: Mapping[str, str] = MappingProxyType(
    {
        "tokens": "generated tokens per problem",
        "all_tokens": "generated tokens and tokens that the PRM read, per problem",
        "seconds": "seconds per problem, with concurrent searches",
    }
)
"""Costs of a method, and the titles of their axes."""


def undrawn(comparison: Comparison, cost: str) -> list[str]:
    """Names of the entries that `accuracy_chart` leaves out: what they cost is unknown, or 0 on a logarithmic axis."""
    return [entry.name for entry in comparison.entries if not _costs(entry)[cost]]


def accuracy_chart(comparison: Comparison, cost: str, style: Style, *, intervals: bool = True) -> dict[str, Any]:
    """Draw accuracy against one of `COSTS`, without the entries that `undrawn` names.

    Args:
        comparison: of at least one entry.
        cost: a name in `COSTS`.
        style: to draw in.
        intervals: draw the intervals; they hide each other if there are many lines.
    """
    points = [_point(entry) for entry in comparison.entries if _costs(entry)[cost]]
    names = list(dict.fromkeys([entry.label for entry in comparison.entries]))
    return cost_chart(points, names, cost, style, tooltip=_tooltip(points), intervals=intervals)


def cost_chart(
    points: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    cost: str,
    style: Style,
    *,
    tooltip: Sequence[Mapping[str, Any]] = (),
    intervals: bool = True,
) -> dict[str, Any]:
    """Draw points on lines, with the Pareto frontier.

    Args:
        points: each with `series`, the cost, `accuracy`, `low`, `high`, and `votes`: whether its line is dashed.
        names: of all series, in order.
        cost: a name in `COSTS`.
        style: to draw in.
        tooltip: what the page shows of a point.
        intervals: draw the intervals.
    """
    x = {
        "field": cost,
        "type": "quantitative",
        "scale": {"type": "log", "nice": False, "padding": 36},
        "axis": {"format": "~s", "tickCount": 6, "title": COSTS[cost], "labelOverlap": True},
    }
    scale = {"zero": False, "nice": False, "padding": 8}  # a nice axis would go on to 110 %
    y = {"field": "accuracy", "type": "quantitative", "scale": scale, "axis": _percent_axis()}
    colour = {"color": style.scales(names)["color"]}
    dash = {"condition": {"test": "datum.votes", "value": VOTE_DASH}, "value": SOLID}
    rules = {
        "mark": {"type": "rule", "strokeWidth": 1.5, "opacity": 0.55},
        "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}, **colour},
    }
    return {
        "data": {"values": list(points)},
        "layer": [
            _frontier_layer(_frontier(points, cost), x, y, style),
            {
                "mark": {"type": "line", "strokeWidth": 1.5},
                "encoding": {"x": x, "y": y, **colour, "strokeDash": dash},
            },
            *[rules] * intervals,
            {
                "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1},
                "encoding": {"x": x, "y": y, **style.scales(names), "tooltip": list(tooltip)},
            },
        ],
    }


def _percent_axis() -> dict[str, Any]:
    return {"format": ".0%", "tickCount": 6, "title": "accuracy"}


def _costs(entry: Entry) -> dict[str, float | None]:
    """What an entry cost per problem; None where it is unknown."""
    tokens, prm_tokens = entry.summary.counted_tokens, entry.summary.counted_prm_tokens
    both = None if tokens is None or prm_tokens is None else tokens + prm_tokens
    return {"tokens": tokens, "prm_tokens": prm_tokens, "all_tokens": both, "seconds": entry.seconds}


def _point(entry: Entry) -> dict[str, Any]:
    summary, costs = entry.summary, _costs(entry)
    return {
        "series": entry.label,
        "budget": "-" if entry.budget is None else entry.budget,
        "accuracy": summary.accuracy,
        "low": summary.low,
        "high": summary.high,
        "interval": f"{100 * summary.low:.1f} to {100 * summary.high:.1f} %",
        **costs,
        **{f"{cost}_text": number_text(costs[cost], form) for cost, form in TEXTS.items()},
        "votes": entry.votes,
        "searches": len(entry.rows),
    }


def _frontier(points: Sequence[Mapping[str, Any]], cost: str) -> list[Mapping[str, Any]]:
    """The points that none beats in accuracy at the same cost or less."""
    found: list[Mapping[str, Any]] = []
    for point in sorted(points, key=lambda point: (point[cost], -point["accuracy"])):
        if not found or point["accuracy"] > found[-1]["accuracy"]:
            found.append(point)
    return found


def _frontier_layer(
    points: Sequence[Mapping[str, Any]], x: dict[str, Any], y: dict[str, Any], style: Style
) -> dict[str, Any]:
    return {
        "data": {"values": list(points)},
        "mark": {
            "type": "line",
            "interpolate": "step-after",
            "strokeWidth": 7,
            "opacity": 0.5,
            "color": style.palette.band,
        },
        "encoding": {"x": x, "y": y},
    }


TEXTS: Mapping[str, str] = MappingProxyType({"tokens": ",.1f", "prm_tokens": ",.1f", "seconds": ",.2f"})
"""Costs that a tooltip states, and how; Vega would write 0 for what is unknown."""


def _tooltip(points: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    figures = [
        ("budget", "Budget", "", "nominal"),
        ("accuracy", "Accuracy", ".1%", "quantitative"),
        ("interval", "95 % interval", "", "nominal"),
        ("tokens_text", "Generated tokens", "", "nominal"),
        ("prm_tokens_text", "PRM tokens", "", "nominal"),
        ("seconds_text", "Seconds", "", "nominal"),
        ("searches", "Searches", ",", "quantitative"),
    ]
    if all(point["budget"] == "-" for point in points):
        figures = figures[1:]
    told = [
        {"field": field, "title": title, "type": kind, **({"format": form} if form else {})}
        for field, title, form, kind in figures
    ]
    return [{"field": "series", "title": "Method", "type": "nominal"}, *told]
