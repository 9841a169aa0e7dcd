"""Where tt_scale keeps what it can make again."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["cache_folder"]


def cache_folder() -> Path:
    """`$TT_SCALE_CACHE`, `$XDG_CACHE_HOME/tt_scale`, or a folder in the home."""
    if own := os.environ.get("TT_SCALE_CACHE"):
        return Path(own).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "tt_scale"
