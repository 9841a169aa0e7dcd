"""Tables: cells under headings, for the terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tt_scale.bench.stats.pairs import Pair

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["Sheet", "difference_cells", "drawn", "markdown", "points"]


@dataclass
class Sheet:
    """Cells under headings.

    Attributes:
        title: above the table.
        words: headings of the columns of text.
        numbers: headings of the columns of numbers, which are aligned right.
        rows: cells [rows][columns].
        ends: places of rows after which a group ends.
    """

    title: str
    words: Sequence[str]
    numbers: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    ends: set[int] = field(default_factory=set)

    def add_group(self, rows: Sequence[Sequence[str]]) -> None:
        """Add rows that belong together; of equal cells in their first column only the first is shown."""
        for place, row in enumerate(rows):
            repeated = place > 0 and row[0] == rows[place - 1][0]
            self.rows.append(["" if repeated else row[0], *row[1:]])
        self.ends.add(len(self.rows) - 1)


def drawn(sheet: Sheet, width: int | None = None) -> Table:
    """Draw a table for the terminal.

    Args:
        sheet: what to draw.
        width: columns of the terminal into which a wide table is fitted: numbers stay whole, names wrap between words
            and the gaps narrow. None draws it with an edge and wide gaps.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(title=sheet.title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    heads = [*sheet.words, *sheet.numbers]
    columns = list(zip(heads, *sheet.rows, strict=True))
    if width is not None:
        whole = sum([max(map(len, column)) for column in columns]) + 2 * (len(heads) - 1)
        table.show_edge = False
        table.padding = (0, 1 if whole <= width else 0, 0, 0)
    for place, column in enumerate(columns):
        words = place < len(sheet.words)
        table.add_column(
            heads[place],
            justify="left" if words else "right",
            no_wrap=width is not None and not words,
            min_width=None if width is None else _longest_word(column),
        )
    for place, row in enumerate(sheet.rows):
        table.add_row(*map(Text, row), end_section=place in sheet.ends)
    return table


def _longest_word(column: Sequence[str]) -> int:
    return max([len(word) for cell in column for word in cell.split()], default=1)


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


def difference_cells(pair: Pair) -> list[str]:
    """A paired difference in percentage points, its interval and its corrected p-value."""
    return [
        points(pair.difference),
        f"{points(pair.low)} to {points(pair.high)}",
        f"{pair.p_value:.3f}" if pair.p_value >= 0.001 else "<0.001",
    ]


def points(share: float) -> str:
    """A difference of shares in percentage points, with its sign; 0 has no minus."""
    return f"{100 * share + 0.0:+.1f}"
