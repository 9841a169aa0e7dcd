"""Specifications as files: SVG, PNG and PDF without a browser; needs the extra `report`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

from tt_scale.core.atomic_file import replacing
from tt_scale.core.output_path import check_output
from tt_scale.errors import ConfigError, JournalError, MissingExtraError
from tt_scale.report.charts.palette import Palette, config_of

__all__ = ["FORMATS", "VEGA_LITE", "check_chart", "whole_chart", "write_chart"]

FORMATS = (".svg", ".png", ".pdf")
VEGA_LITE = "6.4"
"""Version that the specifications are written for."""

LEGEND_COLUMNS = 4
"""Entries of a legend side by side; a row of all would be wider than the chart."""

SCALE = 2
"""Pixels of a PNG for each unit of the chart."""


def check_chart(path: str, option: str) -> None:
    """Check before the work whether a chart can be written.

    Args:
        path: of the chart; its extension, in any case, determines the format.
        option: by which the user named it.

    Raises:
        MissingExtraError: vl-convert is not installed.
        ConfigError: the format is unknown, or there is no such folder, or no file can be written there.
    """
    from importlib.util import find_spec

    check_output(path, option, f"Type: {option} chart.svg")
    if FilePath(path).suffix.lower() not in FORMATS:
        allowed = f"allowed: a file that ends in {', '.join(FORMATS)}"
        raise ConfigError(f"{option} is {path!r}; {allowed}.", f"Type: {option} chart.svg")
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
    config = dict(config_of(palette))
    config["legend"] = {**config["legend"], "columns": LEGEND_COLUMNS}
    return {"$schema": schema, **head, **chart, "config": config}


def write_chart(spec: Mapping[str, Any], path: str) -> None:
    """Write a whole specification to a file that `check_chart` accepts.

    Raises:
        MissingExtraError: vl-convert is not installed.
        JournalError: the file cannot be written.
    """
    try:
        drawn = _drawn(dict(spec), FilePath(path).suffix.lower())
        with replacing(FilePath(path), "wb") as file:
            file.write(drawn)
    except OSError as error:
        raise JournalError(f"The chart {path!r} cannot be written: {error.strerror or error}.") from None


def _drawn(spec: dict[str, Any], suffix: str) -> bytes:
    """Draw a specification of Vega-Lite, or of Vega itself."""
    try:
        import vl_convert
    except ImportError:
        raise MissingExtraError("vl-convert-python", "report", "A chart") from None
    lite = "vega-lite" in spec["$schema"]
    library = "vegalite" if lite else "vega"
    about: dict[str, Any] = {"vl_version": VEGA_LITE} if lite else {}
    size = {"scale": SCALE} if suffix == ".png" else {}
    draw = getattr(vl_convert, f"{library}_to_{suffix[1:]}")
    drawn = draw(spec, allowed_base_urls=[], **about, **size)
    return drawn.encode() if isinstance(drawn, str) else bytes(drawn)
