"""Tables for the terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tt_scale.bench.stats.pairs import Pair
from tt_scale.core.printable import one_line, printable
from tt_scale.report.cells import p_value_cell, points, points_cells

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["Sheet", "difference_cells", "drawn", "markdown", "points", "sheets_of_sets"]


@dataclass
class Sheet:
    """A table of text cells.

    Attributes:
        title: title of the table.
        words: headings of the text columns.
        numbers: headings of the number columns, which are right-aligned.
        rows: cells [rows][columns].
        ends: indices of rows after which a group ends.
    """

    title: str
    words: Sequence[str]
    numbers: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    ends: set[int] = field(default_factory=set)

    def add_group(self, rows: Sequence[Sequence[str]]) -> None:
        """Add a group of rows; repeated cells in the first column are left blank."""
        for index, row in enumerate(rows):
            repeated = index > 0 and row[0] == rows[index - 1][0]
            self.rows.append(["" if repeated else row[0], *row[1:]])
        self.ends.add(len(self.rows) - 1)


def drawn(sheet: Sheet, width: int | None = None) -> Table:
    """Render a table for the terminal.

    Args:
        sheet: the table.
        width: columns of the terminal, to which a wide table is fitted: numbers are not wrapped, names wrap between
            words and the gaps narrow. None renders it with an edge and wide gaps.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(printable(sheet.title)), title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    heads = [printable(head) for head in (*sheet.words, *sheet.numbers)]
    rows = [[printable(cell) for cell in row] for row in sheet.rows]
    columns = list(zip(heads, *rows, strict=True))
    if width is not None:
        full_width = sum([max(map(len, column)) for column in columns]) + 2 * (len(heads) - 1)
        table.show_edge = False
        table.padding = (0, 1 if full_width <= width else 0, 0, 0)
    for index, column in enumerate(columns):
        words = index < len(sheet.words)
        table.add_column(
            Text(heads[index]),
            justify="left" if words else "right",
            no_wrap=width is not None and not words,
            min_width=None if width is None else _longest_word(column),
        )
    for index, row in enumerate(rows):
        table.add_row(*map(Text, row), end_section=index in sheet.ends)
    return table


def _longest_word(column: Sequence[str]) -> int:
    return max([len(word) for cell in column for word in cell.split()], default=1)


def markdown(sheet: Sheet) -> str:
    """Format a table as a section of a Markdown page."""
    lines = [
        f"## {one_line(sheet.title)}",
        "",
        f"| {' | '.join([*sheet.words, *sheet.numbers])} |",
        f"|{'---|' * len(sheet.words)}{'---:|' * len(sheet.numbers)}",
        *(f"| {' | '.join([one_line(cell).replace('|', chr(92) + '|') for cell in row])} |" for row in sheet.rows),
    ]
    return "\n".join(lines)


def sheets_of_sets(sets: Mapping[str, Sequence[Sheet]]) -> list[Sheet]:
    """Put the tables of problem sets one after the other; where there are several sets, each title names its own.

    Args:
        sets: problem set -> its tables.
    """
    if len(sets) == 1:
        return [sheet for sheets in sets.values() for sheet in sheets]
    return [
        sheet if sheet.title.startswith(name) else replace(sheet, title=f"{name}: {sheet.title}")
        for name, sheets in sets.items()
        for sheet in sheets
    ]


def difference_cells(pair: Pair, unit: str = "") -> list[str]:
    """Cells of a paired difference: percentage points, interval, corrected p-value."""
    return [*points_cells(pair.difference, (pair.low, pair.high), unit), p_value_cell(pair.p_value)]
