"""Location of the cache folder."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

__all__ = ["cache_folder"]


def cache_folder() -> Path:
    """`$TT_SCALE_CACHE`, `$XDG_CACHE_HOME/tt_scale` or `~/.cache/tt_scale`; a temporary folder without a home."""
    if own := os.environ.get("TT_SCALE_CACHE"):
        return Path(own).expanduser()
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "tt_scale"
    try:
        return Path.home() / ".cache" / "tt_scale"
    except RuntimeError:  # a user without a name or HOME, as in containers
        return Path(tempfile.gettempdir()) / "tt_scale"
