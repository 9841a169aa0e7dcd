"""Data inside the page: JSON, compressed, as text of an element that no browser runs."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

__all__ = ["packed", "unpacked"]

LEVEL = 9


def packed(data: Any) -> str:
    """Compress data for the page: zlib, as `DecompressionStream("deflate")` reads it, in base64.

    Args:
        data: of lists, mappings, texts and finite numbers.

    Raises:
        ValueError: a number is not finite, which no browser reads.
    """
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode(errors="replace"), LEVEL)).decode()


def unpacked(text: str) -> Any:
    """Read what `packed` wrote."""
    return json.loads(zlib.decompress(base64.b64decode(text)))
