"""What would have been chosen otherwise: by other aggregates of step scores, by other selectors, from smaller pools."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tt_scale.bench.stats.intervals import mean_interval
from tt_scale.bench.stats.metrics import selector_accuracy
from tt_scale.core.aggregate import AGGREGATES
from tt_scale.report.charts.palette import Style
from tt_scale.report.digest import SCORING_SELECTORS, Digest
from tt_scale.report.side_by_side import SideBySide

__all__ = ["aggregate_chart", "selector_chart"]

SELECTORS = ("best", "weighted", "majority", "first", "oracle")


def aggregate_chart(digests: Mapping[str, Sequence[Digest]], style: Style) -> dict[str, Any]:
    """Draw accuracy by aggregate and selector over the same pools, one panel for each run, with intervals."""
    values = [value for name, own in digests.items() for value in _aggregates(name, own)]
    scales = style.scales(list(SCORING_SELECTORS))
    y = {"field": "aggregate", "type": "nominal", "sort": list(AGGREGATES), "axis": {"title": None, "grid": True}}
    offset = {"field": "series", "type": "nominal", "sort": list(SCORING_SELECTORS), "scale": {"paddingOuter": 0.9}}
    x = {"type": "quantitative", "scale": {"zero": False}}
    axis = {"format": ".0%", "tickCount": 5, "title": "accuracy"}
    return {
        "data": {"values": values},
        "facet": {"field": "run", "type": "nominal", "sort": list(digests), "title": None},
        "columns": 2,
        "usermeta": {"labels": 110},
        "spec": {
            "width": 210,
            "height": 130,
            "layer": [
                {
                    "mark": {"type": "rule", "strokeWidth": 1.5, "opacity": 0.55},
                    "encoding": {
                        "y": y,
                        "yOffset": offset,
                        "x": {**x, "field": "low", "axis": axis},
                        "x2": {"field": "high"},
                        "color": scales["color"],
                    },
                },
                {
                    "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1},
                    "encoding": {
                        "y": y,
                        "yOffset": offset,
                        "x": {**x, "field": "accuracy", "axis": axis},
                        **scales,
                        "tooltip": AGGREGATE_TOOLTIP,
                    },
                },
            ],
        },
    }


AGGREGATE_TOOLTIP = [
    {"field": "run", "title": "Method", "type": "nominal"},
    {"field": "aggregate", "title": "Aggregate", "type": "nominal"},
    {"field": "series", "title": "Selector", "type": "nominal"},
    {"field": "accuracy", "title": "Accuracy", "type": "quantitative", "format": ".1%"},
    {"field": "interval", "title": "95 % interval", "type": "nominal"},
]


def _aggregates(name: str, digests: Sequence[Digest]) -> Iterator[dict[str, Any]]:
    for agg in AGGREGATES:
        for selector in SCORING_SELECTORS:
            outcomes: dict[str, list[bool]] = {}
            for digest in digests:
                outcomes.setdefault(digest.row.id, []).append(digest.votes.get((agg, selector), False))
            low, high = mean_interval([sum(each) / len(each) for each in outcomes.values()])
            rights = [right for each in outcomes.values() for right in each]
            yield {
                "run": name,
                "series": selector,
                "aggregate": agg,
                "accuracy": sum(rights) / max(len(rights), 1),
                "low": low,
                "high": high,
                "interval": f"{100 * low:.1f} to {100 * high:.1f} %",
            }


def selector_chart(found: SideBySide, style: Style) -> dict[str, Any]:
    """Draw accuracy against how much of the pool each selector sees, one panel for each run."""
    values = [value for name, rows in found.rows.items() for value in _selectors(name, selector_accuracy(rows))]
    known = {value["series"] for value in values}
    scales = style.scales([name for name in SELECTORS if name in known] + sorted(known - set(SELECTORS)))
    x = {
        "field": "size",
        "type": "quantitative",
        "scale": {"type": "log", "base": 2, "nice": False, "padding": 12},
        "axis": {"title": "finished paths that the selector sees", "format": "d", "tickCount": 5},
    }
    axis = {"format": ".0%", "tickCount": 5, "title": "accuracy"}
    y = {"field": "accuracy", "type": "quantitative", "scale": {"zero": False}, "axis": axis}
    return {
        "data": {"values": values},
        "facet": {"field": "run", "type": "nominal", "sort": list(found.rows), "title": None},
        "columns": 2,
        "spec": {
            "width": 270,
            "height": 140,
            "layer": [
                {
                    "mark": {"type": "line", "strokeWidth": 1.5},
                    "encoding": {"x": x, "y": y, "color": scales["color"]},
                },
                {
                    "mark": {"type": "point", "filled": True, "size": 50, "opacity": 1},
                    "encoding": {"x": x, "y": y, **scales, "tooltip": SELECTOR_TOOLTIP},
                },
            ],
        },
    }


SELECTOR_TOOLTIP = [
    {"field": "run", "title": "Method", "type": "nominal"},
    {"field": "series", "title": "Selector", "type": "nominal"},
    {"field": "size", "title": "Paths", "type": "quantitative"},
    {"field": "accuracy", "title": "Accuracy", "type": "quantitative", "format": ".1%"},
]


def _selectors(name: str, known: Mapping[str, Mapping[int, float]]) -> Iterator[dict[str, Any]]:
    for selector, at in known.items():
        for size, accuracy in at.items():
            if size:
                yield {"run": name, "series": selector, "size": size, "accuracy": accuracy}
