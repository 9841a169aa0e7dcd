"""What differs between two runs, in the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tt_scale.bench.record import Row
from tt_scale.bench.replay.run_diff import RunDiff
from tt_scale.core.printable import one_line, printable

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["print_diff"]

MOST_LINES = 20
LONGEST_CELL = 40


def print_diff(diff: RunDiff, console: Console, *, every: bool = False) -> None:
    """Print keys, versions, problems and verdicts that differ.

    Args:
        diff: of two runs.
        console: to print on.
        every: list all searches with another verdict, not only the first.
    """
    for line in _lines(diff, every):
        console.print(printable(line), markup=False, highlight=False, soft_wrap=True)


def _lines(diff: RunDiff, every: bool) -> Iterator[str]:
    for sign, run in zip("-+", diff.runs, strict=True):
        yield f"{sign} {run.folder}: {run.method}, {len(run.rows):,} of {run.wanted:,} searches"
        for line in run.damaged:
            yield f"{sign} line {line.number} of its journal is damaged ({line.reason}) and left out"
    yield from _section("Keys", [[key, *map(str, pair)] for key, pair in diff.keys.items()])
    yield from _section("Versions and machines", [[name, *map(str, pair)] for name, pair in diff.origins.items()])
    yield from _problems(diff)
    yield from _verdicts(diff, every)
    if diff.equal:
        yield "No key, problem or verdict differs."


def _problems(diff: RunDiff) -> Iterator[str]:
    for sign, searches in zip("-+", diff.missing, strict=True):
        if searches:
            named = ", ".join([_name(*search) for search in searches[:MOST_LINES]])
            more = ", ..." if len(searches) > MOST_LINES else ""
            yield f"Only in {sign} ({len(searches):,}): {named}{more}"
    changed = [[own.id, _cell(own.question), _cell(its.question)] for own, its in diff.changed]
    yield from _section("Problems of the same id that are not the same", changed[:MOST_LINES])


def _verdicts(diff: RunDiff, every: bool) -> Iterator[str]:
    both, first, second, neither = diff.right
    yield (
        f"Of {len(diff.both):,} searches that both have: {both:,} right in both, {first:,} only in -, {second:,} only "
        f"in +, {neither:,} in neither"
    )
    shown = diff.verdicts if every else diff.verdicts[:MOST_LINES]
    rows = [[_name(own.id, own.repeat), _verdict(own), _verdict(its)] for own, its in shown]
    yield from _section("Verdicts and answers", rows)
    if len(diff.verdicts) > len(shown):
        yield f"  and {len(diff.verdicts) - len(shown):,} more; --all lists them"


def _section(title: str, rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A heading, and columns under it; nothing where there are no rows."""
    if not rows:
        return
    yield f"{title}:"
    cells = [[_cell(cell) for cell in row] for row in rows]
    widths = [max([len(row[at]) for row in cells]) for at in range(len(cells[0]) - 1)]
    for row in cells:
        begin = "  ".join([cell.ljust(width) for cell, width in zip(row, widths, strict=False)])
        yield f"  {begin}  {row[-1]}"


def _name(problem: str, repeat: int) -> str:
    return f"{problem}, repeat {repeat}" if repeat else problem


def _verdict(row: Row) -> str:
    return row.grade if row.answer is None else f"{row.grade} ({row.answer})"


def _cell(text: Any) -> str:
    line = one_line(str(text))
    return line if len(line) <= LONGEST_CELL else line[: LONGEST_CELL - 3] + "..."
