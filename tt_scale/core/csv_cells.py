r"""CSV cells that are safe in spreadsheets: text that looks like a formula is escaped.

    >>> written_cell("=1+1"), written_cell("-5"), written_cell("-x"), written_cell("'=1"), written_cell(-5)
    ("'=1+1", '-5', "'-x", "''=1", -5)
    >>> read_cell("'=1+1"), read_cell("''=1"), read_cell("'tis")
    ('=1+1', "'=1", "'tis")

A spreadsheet evaluates a cell that begins with `=`, `+`, `-`, `@`, a tab or a carriage return as a formula, which can
read files and send their contents elsewhere (CSV injection). Such a text gets a leading apostrophe, and so does one
that already begins with apostrophes and one of these characters, so that reading restores the text. Numbers stay
numbers. Control characters are written as escapes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from tt_scale.core.printable import printable

__all__ = ["read_cell", "written_cell", "written_row"]

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


def written_cell(value: Any) -> Any:
    """Escape a value for a cell; only text is changed."""
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def written_row(values: Iterable[Any]) -> list[Any]:
    """Escape the values of a row."""
    return [written_cell(value) for value in values]


def read_cell(text: str) -> str:
    """Restore the text of a cell; escapes of control characters stay."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text
