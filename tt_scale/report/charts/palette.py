"""Colours, shapes and dashes: what tells series apart, in colour and without.

The eight colours keep a contrast of 3 : 1 to their background and stay apart under the common kinds of colour
blindness; each goes with a shape and a dash of its own, so that a chart reads in black and white.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["DASHES", "LIGHT", "PAGE", "SHAPES", "Palette", "Style", "config_of"]

SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left")
DASHES: Sequence[Sequence[int]] = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [4, 2], [10, 3], [1, 3], [6, 2, 1, 2])
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
FILE_FONT = "Helvetica, Arial, 'DejaVu Sans', sans-serif"


@dataclass(frozen=True, slots=True)
class Palette:
    """What a chart is painted with; any CSS colour.

    Attributes:
        ink: text.
        muted: labels, ticks and lines that help.
        grid: lines behind.
        paper: behind everything.
        band: wide marks that stand back.
        series: of methods, in order [8].
        right: what is right.
        wrong: what is wrong.
        font: family.
    """

    ink: str
    muted: str
    grid: str
    paper: str
    band: str
    series: tuple[str, ...]
    right: str
    wrong: str
    font: str = FONT


LIGHT = Palette(
    ink="#1f2328",
    muted="#5f6670",
    grid="#e4e6ea",
    paper="#ffffff",
    band="#c9ced6",
    series=("#1668b0", "#b8500f", "#22805a", "#84499c", "#8a6d00", "#b8336a", "#44636f", "#5b56c9"),
    right="#1668b0",
    wrong="#b8500f",
    font=FILE_FONT,
)
"""For files: dark on white."""

PAGE = Palette(
    ink="var(--ink)",
    muted="var(--muted)",
    grid="var(--line)",
    paper="transparent",
    band="var(--band)",
    series=tuple([f"var(--series-{number})" for number in range(1, 9)]),
    right="var(--right)",
    wrong="var(--wrong)",
)
"""For the page: its stylesheet says what each variable is in the light, dark and black-and-white theme."""


def config_of(palette: Palette) -> Mapping[str, Any]:
    """The Vega-Lite configuration that all charts share."""
    text = {"labelColor": palette.muted, "titleColor": palette.ink, "labelFontSize": 11, "titleFontSize": 12}
    weight = {"titleFontWeight": "normal"}
    return {
        "font": palette.font,
        "background": palette.paper,
        "padding": 6,
        "view": {"stroke": None},
        "axis": {
            **text,
            **weight,
            "gridColor": palette.grid,
            "domainColor": palette.grid,
            "tickColor": palette.grid,
            "titlePadding": 10,
        },
        "axisX": {"grid": False},
        "legend": {
            **text,
            **weight,
            "orient": "top",
            "title": None,
            "symbolSize": 70,
            "symbolOpacity": 1,
            "labelLimit": 300,
        },
        "header": {**text, **weight, "labelFontSize": 12, "labelColor": palette.ink},
        "title": {
            "color": palette.ink,
            "subtitleColor": palette.muted,
            "fontWeight": "normal",
            "fontSize": 14,
            "subtitleFontSize": 11,
            "subtitlePadding": 5,
            "offset": 10,
            "anchor": "start",
            "frame": "group",
        },
        "text": {"color": palette.ink},
    }


@dataclass(frozen=True, slots=True)
class Style:
    """A palette, and which series has which colour and shape in every chart.

    Attributes:
        palette: to paint with.
        known: every series that charts may show, in order.
    """

    palette: Palette
    known: Sequence[str] = ()

    def scales(self, names: Sequence[str]) -> dict[str, Any]:
        """Encodings that tell some series apart by colour and shape at once; one legend for both."""
        return {"color": self._encoding(names, self.palette.series), "shape": self._encoding(names, SHAPES, 1)}

    def dashes(self, names: Sequence[str]) -> dict[str, Any]:
        """The encoding that tells lines apart."""
        return self._encoding(names, DASHES, 1)

    def _encoding(self, names: Sequence[str], values: Sequence[Any], shift: int = 0) -> dict[str, Any]:
        places = [self.known.index(name) if name in self.known else place for place, name in enumerate(names)]
        chosen = [values[(place + shift * (place // len(values))) % len(values)] for place in places]
        return {"field": "series", "type": "nominal", "scale": {"domain": list(names), "range": chosen}}
