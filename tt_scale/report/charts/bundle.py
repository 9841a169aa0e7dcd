"""Vega, Vega-Lite and vega-embed as one script, made once by vl-convert and kept; needs the extra `report`."""

from __future__ import annotations

import re
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path as FilePath

from tt_scale.core.atomic_file import replacing
from tt_scale.engines.cache import cache_folder

__all__ = ["vega_script"]

SNIPPET = "window.vegaEmbed = vegaEmbed;"
"""What the page uses of the libraries."""


def vega_script() -> str:
    """Give the script; the first call of a version takes some seconds, later ones read it from the cache."""
    from tt_scale.report.charts.render import VEGA_LITE

    path = cache_folder() / f"vega-{version('vl-convert-python')}-{VEGA_LITE}.js"
    with suppress(OSError, UnicodeDecodeError):
        return path.read_text(encoding="utf-8")
    script = _bundled(VEGA_LITE)
    _keep(path, script)
    return script


def _bundled(vega_lite: str) -> str:
    import vl_convert

    script = str(vl_convert.javascript_bundle(SNIPPET, vl_version=vega_lite))
    return re.sub(r"<(?=/script|!--)", r"\\x3c", script, flags=re.IGNORECASE)  # these end or change a script element


def _keep(path: FilePath, script: str) -> None:
    """Write whole or not at all; where nothing can be kept, the next call makes it again."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(script)
