"""A table before it is drawn: for the terminal, for Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["Sheet", "drawn", "markdown"]


@dataclass
class Sheet:
    """Cells under headings.

    Attributes:
        title: above the table.
        words: headings of the columns of text.
        numbers: headings of the columns of numbers, which stand right.
        rows: cells [rows][columns].
        ends: places of rows after which a group ends.
    """

    title: str
    words: Sequence[str]
    numbers: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    ends: set[int] = field(default_factory=set)


def drawn(sheet: Sheet, width: int) -> Table:
    """Draw it for the terminal: numbers stay whole, names wrap between words where the width asks for it."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    heads = [*sheet.words, *sheet.numbers]
    columns = list(zip(heads, *sheet.rows, strict=True))
    whole = sum([max(map(len, column)) for column in columns]) + 2 * (len(heads) - 1)
    gap = 1 if whole <= width else 0
    table = Table(title=sheet.title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, show_edge=False)
    table.padding = (0, gap, 0, 0)
    for place, column in enumerate(columns):
        words = place < len(sheet.words)
        longest = max([len(word) for cell in column for word in cell.split()], default=1)
        table.add_column(heads[place], justify="left" if words else "right", no_wrap=not words, min_width=longest)
    for place, row in enumerate(sheet.rows):
        table.add_row(*row, end_section=place in sheet.ends)
    return table


def markdown(sheet: Sheet) -> str:
    """Write it as a section of a Markdown page."""
    lines = [
        f"## {sheet.title}",
        "",
        f"| {' | '.join([*sheet.words, *sheet.numbers])} |",
        f"|{'---|' * len(sheet.words)}{'---:|' * len(sheet.numbers)}",
        *(f"| {' | '.join([cell.replace('|', chr(92) + '|') for cell in row])} |" for row in sheet.rows),
    ]
    return "\n".join(lines)
