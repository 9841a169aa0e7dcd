"""Quality of a PRM's scores: their distribution, calibration, and ranking of correct above wrong paths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tt_scale.report.charts.palette import Style
from tt_scale.report.digest import Digest
from tt_scale.report.prm_quality import (
    HISTOGRAM_BINS,
    Area,
    areas_by_depth,
    areas_by_level,
    calibration,
    histogram,
)

__all__ = ["area_chart", "reliability_chart", "score_chart"]

Digests = Mapping[str, Sequence[Digest]]
"""Run name -> digests of its trees."""


def score_chart(digests: Digests, style: Style) -> dict[str, Any]:
    """Draw the scores of correct paths upwards and those of wrong ones downwards, one panel for each run."""
    values = [value for name, each in digests.items() for value in _bars(name, each)]
    most = max([abs(value["share"]) for value in values], default=1)
    x = {"field": "low", "type": "quantitative", "scale": {"domain": [0, 1]}, "axis": _score_axis("score of the path")}
    kinds = {"field": "kind", "type": "nominal"}
    return {
        "data": {"values": values},
        "facet": {"field": "series", "type": "nominal", "sort": list(digests), "title": None},
        "columns": 2,
        "spec": {
            "width": 270,
            "height": 150,
            "mark": {"type": "bar", "tooltip": True},
            "encoding": {
                "x": x,
                "x2": {"field": "high"},
                "y": {
                    "field": "share",
                    "type": "quantitative",
                    "scale": {"domain": [-most, most]},
                    "axis": {"labelExpr": "format(abs(datum.value), '.0%')", "tickCount": 5, "title": "share of paths"},
                },
                "y2": {"datum": 0},
                "color": {
                    **kinds,
                    "scale": {"domain": ["correct", "wrong"], "range": [style.palette.right, style.palette.wrong]},
                },
                "tooltip": [
                    {"field": "kind", "title": "Paths", "type": "nominal"},
                    {"field": "span", "title": "Score", "type": "nominal"},
                    {"field": "count", "title": "Count", "type": "quantitative", "format": ","},
                    {"field": "size", "title": "Share", "type": "quantitative", "format": ".1%"},
                ],
            },
        },
    }


def _bars(name: str, digests: Sequence[Digest]) -> Iterator[dict[str, Any]]:
    for kind, sign in (("correct", 1), ("wrong", -1)):
        counts = histogram(digests, right=kind == "correct")
        for place, count in enumerate(counts):
            low, high = place / HISTOGRAM_BINS, (place + 1) / HISTOGRAM_BINS
            share = count / max(sum(counts), 1)
            about = {"series": name, "kind": kind, "span": f"{low:.2f} to {high:.2f}", "count": count}
            yield {**about, "low": low, "high": high, "share": sign * share, "size": share}


def _score_axis(title: str) -> dict[str, Any]:
    return {"format": ".1f", "tickCount": 5, "title": title}


def reliability_chart(digests: Digests, style: Style) -> dict[str, Any]:
    """Draw the share of correct paths against their mean score; on the diagonal a score is a probability."""
    values: list[dict[str, Any]] = [
        {"series": name, "score": each.score, "right": each.right, "paths": each.count}
        for name, own in digests.items()
        for each in calibration(own).bins
    ]
    x = {"field": "score", "type": "quantitative", "scale": {"domain": [0, 1]}, "axis": _score_axis("mean score")}
    axis = {"format": ".0%", "tickCount": 5, "title": "correct paths"}
    y = {"field": "right", "type": "quantitative", "scale": {"domain": [0, 1]}, "axis": axis}
    scales = style.scales(list(digests))
    most = max([value["paths"] for value in values], default=1)
    area = {"type": "sqrt", "domain": [0, most], "range": [12, 160]}
    size = {"field": "paths", "type": "quantitative", "scale": area, "legend": None}
    return {
        "layer": [
            {
                "data": {"values": [{"score": 0, "right": 0}, {"score": 1, "right": 1}]},
                "mark": {"type": "line", "strokeDash": [4, 4], "strokeWidth": 1, "color": style.palette.muted},
                "encoding": {"x": x, "y": y},
            },
            {
                "data": {"values": values},
                "mark": {"type": "line", "strokeWidth": 1, "opacity": 0.6},
                "encoding": {"x": x, "y": y, "color": scales["color"]},
            },
            {
                "data": {"values": values},
                "mark": {"type": "point", "filled": True, "opacity": 1},
                "encoding": {"x": x, "y": y, **scales, "size": size, "tooltip": RELIABILITY_TOOLTIP},
            },
        ]
    }


RELIABILITY_TOOLTIP = [
    {"field": "series", "title": "Method", "type": "nominal"},
    {"field": "score", "title": "Mean score", "type": "quantitative", "format": ".3f"},
    {"field": "right", "title": "Correct", "type": "quantitative", "format": ".1%"},
    {"field": "paths", "title": "Paths", "type": "quantitative", "format": ","},
]


def area_chart(digests: Digests, by: str, style: Style) -> dict[str, Any]:
    """Draw the area under the ROC curve, with intervals.

    Args:
        digests: of each run.
        by: "level", of whole paths, or "depth", of the score of each path's n-th step.
        style: to draw in.
    """
    areas = areas_by_level if by == "level" else areas_by_depth
    values = [_area_value(name, area) for name, own in digests.items() for area in areas(own)]
    names = list(digests)
    scales = style.scales(names)
    shared = {
        "x": {"field": "group", "type": "ordinal", "axis": {"title": by, "labelAngle": 0}},
        "xOffset": {"field": "series", "type": "nominal", "sort": names, "scale": {"paddingOuter": 0.8}},
    }
    y = {
        "type": "quantitative",
        "scale": {"zero": False, "domainMax": 1},
        "axis": {"format": ".2f", "tickCount": 6, "title": "AUC"},
    }
    return {
        "data": {"values": values},
        "layer": [
            {
                "mark": {"type": "rule", "strokeWidth": 1.5, "opacity": 0.55},
                "encoding": {
                    **shared,
                    "y": {**y, "field": "low"},
                    "y2": {"field": "high"},
                    "color": scales["color"],
                },
            },
            {
                "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1},
                "encoding": {**shared, "y": {**y, "field": "value"}, **scales, "tooltip": _area_tooltip(by)},
            },
        ],
    }


def _area_value(name: str, area: Area) -> dict[str, Any]:
    about = {"series": name, "group": area.group, "value": area.value, "low": area.low, "high": area.high}
    return {**about, "interval": f"{area.low:.3f} to {area.high:.3f}", "paths": area.paths}


def _area_tooltip(by: str) -> list[dict[str, Any]]:
    return [
        {"field": "series", "title": "Method", "type": "nominal"},
        {"field": "group", "title": by.capitalize(), "type": "nominal"},
        {"field": "value", "title": "AUC", "type": "quantitative", "format": ".3f"},
        {"field": "interval", "title": "95 % interval", "type": "nominal"},
        {"field": "paths", "title": "Paths", "type": "quantitative", "format": ","},
    ]
