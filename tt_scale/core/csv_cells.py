r"""Cells of CSV files that spreadsheets show as text, whatever a model wrote.

    >>> written_cell("=1+1"), written_cell("-5"), written_cell("-x"), written_cell("'=1"), written_cell(-5)
    ("'=1+1", '-5', "'-x", "''=1", -5)
    >>> read_cell("'=1+1"), read_cell("''=1"), read_cell("'tis")
    ('=1+1', "'=1", "'tis")

A spreadsheet takes a cell that begins with `=`, `+`, `-`, `@`, a tab or a return for a formula, which can read files
and send what it finds. Such a text gets an apostrophe in front, and so does one that begins like a text that already
has one: reading gives back what was written. Numbers stay numbers. Control characters are written as escapes.
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
    """Give the cell for a value; only text is changed."""
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def written_row(values: Iterable[Any]) -> list[Any]:
    """Give the cells for the values of a line."""
    return [written_cell(value) for value in values]


def read_cell(text: str) -> str:
    """Give the text that a cell was written for, but for its escapes."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text
