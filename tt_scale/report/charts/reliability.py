"""Reliability of a PRM on labelled sets: the share of correct items against their mean score, one column a set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tt_scale.report.charts.palette import Style

__all__ = ["Curve", "curve_columns"]

WIDTH, HEIGHT, COUNT_HEIGHT = 320, 280, 80
BAR = 14
LEAST_COUNT = 0.5
"""Where the bars of a logarithmic axis begin, so that a count of 1 can be seen."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Reliability curve of one set: one column.

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


def curve_columns(curves: Sequence[Curve], style: Style) -> dict[str, Any]:
    """Draw one column per curve: the curve above, how many items each bin has below.

    Args:
        curves: at least one.
        style: to draw in; it knows all labels.
    """
    return {"hconcat": [_column(curve, style) for curve in curves], "spacing": 36}


def _column(curve: Curve, style: Style) -> dict[str, Any]:
    values = [
        {"series": curve.label, "score": score, "right": right, "count": count} for score, right, count in curve.bins
    ]
    title = {"text": curve.title, "fontSize": 12}
    return {"title": title, "data": {"values": values}, "vconcat": [_curve(curve, style), _counts(curve, style)]}


def _curve(curve: Curve, style: Style) -> dict[str, Any]:
    axis = {"format": ".0%", "tickCount": 6, "title": f"correct {curve.unit}"}
    x, y = _score(None), {"field": "right", "type": "quantitative", "scale": {"domain": [0, 1]}, "axis": axis}
    ends = [{"score": 0, "right": 0}, {"score": 1, "right": 1}]
    perfect = {"type": "line", "strokeDash": [4, 4], "strokeWidth": 1, "color": style.palette.muted}
    drawn = {"type": "line", "strokeWidth": 1.5, "point": {"filled": True, "size": 60}}
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "layer": [
            {"data": {"values": ends}, "mark": perfect, "encoding": {"x": x, "y": y}},
            {"mark": drawn, "encoding": {"x": x, "y": y, "color": style.scales(style.known)["color"]}},
        ],
    }


def _counts(curve: Curve, style: Style) -> dict[str, Any]:
    scale = {"type": "log", "domainMin": LEAST_COUNT, "nice": False}
    axis = {"title": curve.unit, "tickCount": 3, "grid": False}  # a line at each of 2, 3, ... 9 would be a grey band
    y = {"field": "count", "type": "quantitative", "scale": scale, "axis": axis}
    bar = {"type": "bar", "width": BAR, "color": style.palette.band}
    encoding = {"x": _score("score"), "y": y, "y2": {"datum": LEAST_COUNT}}
    return {"width": WIDTH, "height": COUNT_HEIGHT, "mark": bar, "encoding": encoding}


def _score(title: str | None) -> dict[str, Any]:
    axis = {"format": ".1f", "tickCount": 6, "title": title}
    scale = {"domain": [0, 1], "padding": BAR / 2}
    return {"field": "score", "type": "quantitative", "scale": scale, "axis": axis}
