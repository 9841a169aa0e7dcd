"""Specifications as files: SVG, PNG and PDF without a browser; needs the extra `report`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

from tt_scale.errors import ConfigError, JournalError, MissingExtraError
from tt_scale.report.charts.palette import Palette, config_of

__all__ = ["FORMATS", "VEGA_LITE", "check_chart", "whole_chart", "write_chart"]

FORMATS = (".svg", ".png", ".pdf")
VEGA_LITE = "6.4"
"""Version that the specifications are written for."""

SCALE = 2
"""Pixels of a PNG for each unit of the chart."""


def check_chart(path: str) -> None:
    """Find out before the work whether a chart can be written.

    Raises:
        MissingExtraError: vl-convert is not installed.
        ConfigError: a format in which none can be written, or no such folder.
    """
    from importlib.util import find_spec

    file = FilePath(path)
    if file.suffix not in FORMATS:
        raise ConfigError(f"The chart is {path!r}.", "Name a file that ends in .svg, .png or .pdf.")
    if not file.parent.is_dir():
        raise ConfigError(f"There is no folder {str(file.parent)!r} for the chart.")
    if find_spec("vl_convert") is None:
        raise MissingExtraError("vl-convert-python", "report", "A chart")


def whole_chart(chart: Mapping[str, Any], palette: Palette, titles: Sequence[str] = ()) -> dict[str, Any]:
    """Put configuration and title around a chart.

    Args:
        chart: a specification without them.
        palette: that it was painted with.
        titles: lines above it, the first larger.
    """
    schema = f"https://vega.github.io/schema/vega-lite/v{VEGA_LITE.split('.')[0]}.json"
    head = {"title": {"text": titles[0], "subtitle": list(titles[1:])}} if titles else {}
    return {"$schema": schema, **head, **chart, "config": config_of(palette)}


def write_chart(spec: Mapping[str, Any], path: str) -> None:
    """Write a whole specification; errors as of `check_chart`.

    Raises:
        JournalError: the file cannot be written.
    """
    check_chart(path)
    try:
        FilePath(path).write_bytes(_drawn(dict(spec), FilePath(path).suffix))
    except OSError as error:
        raise JournalError(f"The chart {path!r} cannot be written: {error.strerror or error}.") from None


def _drawn(spec: dict[str, Any], suffix: str) -> bytes:
    """Draw a specification of Vega-Lite, or of Vega itself."""
    import vl_convert

    lite = "vega-lite" in spec["$schema"]
    library = "vegalite" if lite else "vega"
    about: dict[str, Any] = {"vl_version": VEGA_LITE} if lite else {}
    size = {"scale": SCALE} if suffix == ".png" else {}
    draw = getattr(vl_convert, f"{library}_to_{suffix[1:]}")
    drawn = draw(spec, allowed_base_urls=[], **about, **size)
    return drawn.encode() if isinstance(drawn, str) else bytes(drawn)
