"""Accuracy against what it cost: points with intervals, lines of methods over their budgets, the Pareto frontier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from tt_scale.bench.stats.comparison import Comparison, Entry
from tt_scale.report.charts.palette import Style

__all__ = ["COSTS", "accuracy_chart"]

COSTS: Mapping[str, str] = MappingProxyType(
    {
        "tokens": "generated tokens per problem",
        "all_tokens": "generated tokens and tokens that the PRM read, per problem",
        "seconds": "seconds per problem, others searched beside it",
    }
)
"""What a method costs, and how the axis says it."""


def accuracy_chart(comparison: Comparison, cost: str, style: Style) -> dict[str, Any]:
    """Draw accuracy against one of `COSTS`.

    Args:
        comparison: of at least one entry.
        cost: a name in `COSTS`.
        style: to draw in.
    """
    points = [point for entry in comparison.entries if (point := _point(entry)).get(cost)]
    best = _frontier(points, cost)
    names = list(dict.fromkeys([entry.label for entry in comparison.entries]))
    x = {
        "field": cost,
        "type": "quantitative",
        "scale": {"type": "log", "nice": False, "padding": 36},
        "axis": {"format": "~s", "tickCount": 6, "title": COSTS[cost], "labelOverlap": True},
    }
    y = {"field": "accuracy", "type": "quantitative", "scale": {"zero": False, "padding": 8}, "axis": _percent_axis()}
    return {
        "data": {"values": points},
        "layer": [
            _frontier_layer(best, x, y, style),
            {"mark": {"type": "line", "strokeWidth": 1.5}, "encoding": {"x": x, "y": y, **_colour(names, style)}},
            {
                "mark": {"type": "rule", "strokeWidth": 1.5, "opacity": 0.55},
                "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}, **_colour(names, style)},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1},
                "encoding": {"x": x, "y": y, **style.scales(names), "tooltip": _tooltip(points)},
            },
        ],
    }


def _percent_axis() -> dict[str, Any]:
    return {"format": ".0%", "tickCount": 6, "title": "accuracy"}


def _colour(names: Sequence[str], style: Style) -> dict[str, Any]:
    return {"color": style.scales(names)["color"]}


def _point(entry: Entry) -> dict[str, Any]:
    summary = entry.summary
    return {
        "series": entry.label,
        "budget": "-" if entry.budget is None else entry.budget,
        "accuracy": summary.accuracy,
        "low": summary.low,
        "high": summary.high,
        "interval": f"{100 * summary.low:.1f} to {100 * summary.high:.1f} %",
        "tokens": entry.tokens,
        "prm_tokens": entry.prm_tokens,
        "all_tokens": entry.tokens + entry.prm_tokens,
        "seconds": entry.seconds,
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


def _tooltip(points: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    figures = [
        ("budget", "Budget", "", "nominal"),
        ("accuracy", "Accuracy", ".1%", "quantitative"),
        ("interval", "95 % interval", "", "nominal"),
        ("tokens", "Generated tokens", ",.1f", "quantitative"),
        ("prm_tokens", "PRM tokens", ",.1f", "quantitative"),
        ("seconds", "Seconds", ",.2f", "quantitative"),
        ("searches", "Searches", ",", "quantitative"),
    ]
    if all(point["budget"] == "-" for point in points):
        figures = figures[1:]
    told = [
        {"field": field, "title": title, "type": kind, **({"format": form} if form else {})}
        for field, title, form, kind in figures
    ]
    return [{"field": "series", "title": "Method", "type": "nominal"}, *told]
