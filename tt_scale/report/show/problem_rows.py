"""The problems of runs, one line each, and the filters that choose among them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from types import MappingProxyType

from tt_scale.bench.reader.run_data import ProblemRecord, Search
from tt_scale.bench.reader.search_record import Row
from tt_scale.core.printable import excerpt
from tt_scale.errors import ConfigError, nearest
from tt_scale.report.cells import count_cell, number_cell
from tt_scale.report.side_by_side import SideBySide
from tt_scale.report.tables import Sheet

__all__ = ["FILTERS", "SIGNS", "chosen_searches", "search_sheet", "verdict_of", "verdict_sheet"]

SIGNS: Mapping[str, str] = MappingProxyType(
    {"correct": "✓", "wrong": "✗", "no answer": "–", "ungraded": "?", "failed": "!"}
)
"""Verdict -> sign, where there is no room for the word."""

FILTERS: Mapping[str, Callable[[Row], bool]] = MappingProxyType(
    {
        "wrong": lambda row: row.grade == "wrong",
        "no-answer": lambda row: row.grade == "no_answer",
        "ungraded": lambda row: row.grade == "ungraded",
        "failed": lambda row: bool(row.error),
        "truncated": lambda row: row.telemetry.get("truncated", 0) > 0,
        "cut": lambda row: row.telemetry.get("cut", 0) > 0,
        "backtracked": lambda row: row.telemetry.get("backtracks", 0) > 0,
    }
)
"""Filters that read one search; `differing` reads those of all methods."""

ANSWER_WIDTH = 14
"""Characters of an answer beside its verdict."""


def verdict_of(row: Row) -> str:
    """The verdict on a search, as a word in `SIGNS`."""
    return "failed" if row.error else row.grade.replace("_", " ")


def chosen_searches(found: SideBySide, filters: Collection[str]) -> list[tuple[ProblemRecord, int]]:
    """The problems and repeats that pass every filter, in the order of the set.

    A filter that reads one search passes where it does for any of the runs.

    Args:
        found: the runs.
        filters: names in `FILTERS`, or "differing".

    Raises:
        ConfigError: a filter that there is not.
    """
    for name in set(filters) - {*FILTERS, "differing"}:
        raise ConfigError(f"There is no filter {name!r}.", nearest(name, [*FILTERS, "differing"]))
    repeats = sorted({row.repeat for run in found.runs for row in run.rows})
    return [
        (problem, repeat)
        for problem in found.problems
        for repeat in repeats
        if (rows := _rows(found, (problem.id, repeat))) and all(_passes(rows, name) for name in filters)
    ]


def _passes(rows: Sequence[Row], name: str) -> bool:
    if name == "differing":
        return len({row.correct for row in rows}) > 1
    return any(FILTERS[name](row) for row in rows)


def _rows(found: SideBySide, search: Search) -> list[Row]:
    return [run.by_search[search] for run in found.runs if search in run.by_search]


def verdict_sheet(found: SideBySide, chosen: Sequence[tuple[ProblemRecord, int]], title: str) -> Sheet:
    """One line a problem and repeat, the verdict and answer of each method beside each other."""
    repeated, alone = any(repeat for _, repeat in chosen), len(found.runs) == 1
    heads = ["#", "Problem", *["Repeat"] * repeated, "Level", "Gold", *(run.name for run in found.runs)]
    sheet = Sheet(title, [*heads, *["Ended"] * alone], ["Tokens", "Seconds"] if alone else [])
    for problem, repeat in chosen:
        level = "-" if problem.level is None else str(problem.level)
        cells = [str(problem.index), problem.id, *[str(repeat)] * repeated, level, excerpt(problem.gold, ANSWER_WIDTH)]
        rows = [run.by_search.get((problem.id, repeat)) for run in found.runs]
        sheet.rows.append([*cells, *(_short(row) for row in rows), *(_spent(rows[0]) if alone and rows[0] else [])])
    return sheet


def _spent(row: Row) -> list[str]:
    return [row.stopped, count_cell(row.usage.counted_tokens), number_cell(row.usage.seconds or None, ".2f")]


def _short(row: Row | None) -> str:
    if row is None:
        return ""
    answer = "" if row.answer is None else excerpt(row.answer, ANSWER_WIDTH)
    return f"{SIGNS[verdict_of(row)]} {answer}".rstrip()


def search_sheet(found: SideBySide, chosen: Sequence[tuple[ProblemRecord, int]], title: str) -> Sheet:
    """One line a search, with everything that a filter reads: for programs."""
    words = ["Problem", "Repeat", "Level", "Subject", "Method", "Gold", "Answer", "Verdict", "Ended", "Error"]
    numbers = ["Tokens", "PRM tokens", "Seconds", "Steps", "Pool", "Truncated", "Cut", "Backtracks"]
    sheet = Sheet(title, words, numbers)
    for problem, repeat in chosen:
        sheet.rows += [[*cells] for cells in _search_cells(found, problem, repeat)]
    return sheet


def _search_cells(found: SideBySide, problem: ProblemRecord, repeat: int) -> Iterator[list[str]]:
    for run in found.runs:
        row = run.by_search.get((problem.id, repeat))
        if row is not None:
            level = "" if problem.level is None else str(problem.level)
            head = [problem.id, str(repeat), level, problem.subject or "", run.name, problem.gold]
            counts = [row.telemetry.get(key, 0) for key in ("steps", "pool", "truncated", "cut", "backtracks")]
            yield [
                *head,
                *(row.answer or "", verdict_of(row), row.stopped, row.error),
                count_cell(row.usage.counted_tokens),
                count_cell(row.usage.counted_prm_tokens),
                number_cell(row.usage.seconds or None, ".2f"),
                *map(count_cell, counts),
            ]
