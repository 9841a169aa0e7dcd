"""Tables for the template: which cell heads a row, over how many rows, and which is a number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tt_scale.bench.stats.comparison import Comparison
from tt_scale.bench.stats.intervals import LEVEL
from tt_scale.bench.stats.pairs import Pair
from tt_scale.report.cells import points
from tt_scale.report.tables import Sheet

__all__ = ["Cell", "Matrix", "Table", "difference_matrices", "table_of"]

STRENGTHS = (0.02, 0.05, 0.1)
"""Differences in accuracy from which a cell of the matrix is coloured more strongly."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell.

    Attributes:
        text: in it.
        number: whether it stands right.
        heads: whether it names its row, or group of rows.
        rows: that it spans.
        style: a class of the stylesheet.
        note: more about it.
    """

    text: str
    number: bool = False
    heads: bool = False
    rows: int = 1
    style: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes:
        title: above it.
        heads: of its columns.
        groups: rows that belong together [groups][rows][cells].
    """

    title: str
    heads: Sequence[Cell]
    groups: Sequence[Sequence[Sequence[Cell]]]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Every method against every other.

    Attributes:
        title: the budget; empty where there is none.
        names: of rows and columns.
        rows: cells of each row [names][names]; "" on the diagonal.
    """

    title: str
    names: Sequence[str]
    rows: Sequence[Sequence[Cell]]


def table_of(sheet: Sheet) -> Table:
    """Lay out a sheet: its groups become row groups whose name stands once."""
    heads = [Cell(head) for head in sheet.words] + [Cell(head, number=True) for head in sheet.numbers]
    return Table(sheet.title, heads, [list(_group(sheet, rows)) for rows in _groups(sheet)])


def _groups(sheet: Sheet) -> Iterator[list[Sequence[str]]]:
    group: list[Sequence[str]] = []
    for place, row in enumerate(sheet.rows):
        group.append(row)
        if place in sheet.ends or place == len(sheet.rows) - 1:
            yield group
            group = []


def _group(sheet: Sheet, rows: Sequence[Sequence[str]]) -> Iterator[list[Cell]]:
    words = len(sheet.words)
    shared = bool(sheet.ends) and len({row[0] for row in rows}) == 1 and words > 1
    for place, row in enumerate(rows):
        cells = [Cell(text, number=column >= words) for column, text in enumerate(row)]
        if not shared:
            yield [Cell(row[0], heads=True), *cells[1:]]
        else:
            second = Cell(row[1], heads=True)
            yield [*([Cell(row[0], heads=True, rows=len(rows))] if not place else []), second, *cells[2:]]


def difference_matrices(comparison: Comparison) -> list[Matrix]:
    """The paired differences of each budget, row minus column; none where there is nothing to compare."""
    found = []
    for budget, pairs in comparison.pairs.items():
        names = [entry.label for entry in comparison.at(budget)]
        known = {(pair.first, pair.second): pair for pair in pairs}
        rows = [[_difference(known, row, column) for column in names] for row in names]
        if pairs:
            found.append(Matrix("" if budget is None else f"Budget {budget}", names, rows))
    return found


def _difference(known: dict[tuple[str, str], Pair], row: str, column: str) -> Cell:
    pair, sign = known.get((row, column)), 1
    if pair is None:
        pair, sign = known.get((column, row)), -1
    if row == column or pair is None:
        return Cell("")
    difference, ends = sign * pair.difference, sorted([sign * pair.low, sign * pair.high])
    shown = pair.p_value < LEVEL
    strength = sum([abs(difference) >= bound for bound in STRENGTHS])
    side = "up" if difference > 0 else "down"
    p_value = f"p {pair.p_value:.3f}" if pair.p_value >= 0.001 else "p <0.001"
    note = f"{points(ends[0])} to {points(ends[1])}, {p_value}"
    style = f"{side}-{strength}" if shown and strength else ""
    return Cell(f"{points(difference)}{' *' if shown else ''}", number=True, style=style, note=note)
