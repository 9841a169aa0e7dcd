"""Accuracy by level: the methods side by side within each, with intervals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tt_scale.bench.stats.comparison import Comparison, Entry
from tt_scale.bench.stats.metrics import summarise
from tt_scale.report.cells import number_text
from tt_scale.report.charts.palette import Style
from tt_scale.report.side_by_side import SideBySide

__all__ = ["level_chart"]


def level_chart(found: SideBySide, style: Style) -> dict[str, Any]:
    """Draw accuracy within each level, of several budgets the largest; problems without a level are left out."""
    entries = _largest(found.comparison)
    names = [entry.label for entry in entries]
    scales = style.scales(names)
    told = "level" if entries[0].budget is None else f"level, budget {entries[0].budget}"
    shared = {
        "x": {"field": "level", "type": "ordinal", "axis": {"title": told, "labelAngle": 0}},
        "xOffset": {"field": "series", "type": "nominal", "sort": names, "scale": {"paddingOuter": 0.8}},
    }
    y = {"type": "quantitative", "scale": {"domain": [0, 1]}}
    axis = {"format": ".0%", "tickCount": 6, "title": "accuracy"}
    return {
        "data": {"values": list(_values(entries))},
        "layer": [
            {
                "mark": {"type": "rule", "strokeWidth": 1.5, "opacity": 0.55},
                "encoding": {
                    **shared,
                    "y": {**y, "field": "low", "axis": axis},
                    "y2": {"field": "high"},
                    "color": scales["color"],
                },
            },
            {
                "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1},
                "encoding": {**shared, "y": {**y, "field": "accuracy", "axis": axis}, **scales, "tooltip": TOOLTIP},
            },
        ],
    }


TOOLTIP = [
    {"field": "series", "title": "Method", "type": "nominal"},
    {"field": "level", "title": "Level", "type": "nominal"},
    {"field": "accuracy", "title": "Accuracy", "type": "quantitative", "format": ".1%"},
    {"field": "interval", "title": "95 % interval", "type": "nominal"},
    {"field": "tokens", "title": "Generated tokens", "type": "nominal"},
    {"field": "searches", "title": "Searches", "type": "quantitative", "format": ","},
]


def _largest(comparison: Comparison) -> list[Entry]:
    """The lines of the largest budget; all where none has one."""
    largest = max([entry.budget for entry in comparison.entries if entry.budget is not None], default=None)
    return [entry for entry in comparison.entries if entry.budget == largest]


def _values(entries: Sequence[Entry]) -> Iterator[dict[str, Any]]:
    for entry in entries:
        for level in sorted({row.level for row in entry.rows if row.level is not None}):
            rows = [row for row in entry.rows if row.level == level]
            summary = summarise(str(level), rows)
            yield {
                "series": entry.label,
                "level": level,
                "accuracy": summary.accuracy,
                "low": summary.low,
                "high": summary.high,
                "interval": f"{100 * summary.low:.1f} to {100 * summary.high:.1f} %",
                "tokens": number_text(summary.counted_tokens, ",.1f"),
                "searches": summary.samples,
            }
