"""Shapes in docstrings, `[paths][n]`, as text: Markdown would take them for links. An extension of Griffe."""

from __future__ import annotations

from typing import Any

import griffe


class Shapes(griffe.Extension):
    """Escapes the second bracket of each shape."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of one object."""
        if obj.docstring is not None:
            obj.docstring.value = obj.docstring.value.replace("][", "]\\[")
