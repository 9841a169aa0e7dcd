"""A comparison that was made before, made again from its folder: the same lines at the same budgets over the same runs.

`comparison.json` says which lines there were and which searches they were over; the figures come from the records.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any

from tt_scale.bench.compare.compare_command import with_votes, without_prm
from tt_scale.bench.compare.interleaved import Search
from tt_scale.bench.compare.subsampled import derived_row, vote_curve
from tt_scale.bench.record import Row
from tt_scale.bench.run.journal import read_records
from tt_scale.bench.stats.comparison import Comparison, Entry, compare_entries
from tt_scale.errors import JournalError

__all__ = ["FILE", "MARK", "compare_again", "was_compared"]

FILE, MARK = "comparison.json", "tt-scale compare"
"""The record of a comparison, and who says to have written it."""


def was_compared(folder: FilePath) -> bool:
    """Whether a folder holds a comparison that says how each of its lines was made."""
    return bool(_read(folder))


def compare_again(folder: FilePath) -> list[Comparison]:
    """Make the comparisons of a folder again; no model is opened.

    Raises:
        JournalError: a run that was compared is gone, lacks searches, or is damaged.
    """
    return [_comparison(folder, told) for told in _read(folder)]


def _read(folder: FilePath) -> list[Mapping[str, Any]]:
    """The comparisons in `comparison.json`; empty where there is none of ours, or one of an older version."""
    try:
        told = json.loads((folder / FILE).read_text(encoding="utf-8"))
        found = told["comparisons"] if told["made_by"] == MARK else []
        return list(found) if all("searches" in each for each in found) else []
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _comparison(folder: FilePath, told: Mapping[str, Any]) -> Comparison:
    searches = {(str(problem), int(repeat)) for problem, repeat in told["searches"]}
    lines = [line for line in told["entries"] if line["selector"]]  # votes over other lines are counted again below
    entries = [_entry(folder, line, searches) for line in lines]
    drawn = [entry.samples is not None for entry in entries]
    known = [(entry.samples, entry.folder) for entry in entries if entry.samples is not None and not entry.derived]
    curve = None
    if known:
        samples, widest = max(known, key=lambda pair: pair[0])
        curve = vote_curve(FilePath(widest), samples, searches)
    found = compare_entries(str(told["dataset"]), str(told["models"]), with_votes(entries, drawn), curve)
    return replace(found, footer=tuple(told["footer"]))


def _entry(folder: FilePath, line: Mapping[str, Any], searches: Collection[Search]) -> Entry:
    run = folder / FilePath(line["folder"]).name
    rows: Sequence[Row] = _rows(run, line, searches)
    return Entry(
        str(line["method"]),
        line["budget"],
        rows if line["prm_counts"] else [without_prm(row) for row in rows],
        str(run),
        derived=bool(line["derived"]),
        votes=bool(line["votes"]),
        samples=line["drawn"],
        selector=str(line["selector"]),
        final_agg=line["final_agg"],
        prm_counts=bool(line["prm_counts"]),
    )


def _rows(run: FilePath, line: Mapping[str, Any], searches: Collection[Search]) -> list[Row]:
    try:
        records = [each for each in read_records(run) if (each["id"], each["repeat"]) in searches]
        if line["derived"]:
            rows = [derived_row(record, line["drawn"] or 1, line["selector"], line["final_agg"]) for record in records]
        else:
            rows = [Row.of(record) for record in records]
    except (OSError, ValueError, KeyError, TypeError):
        raise JournalError(f"The run {str(run)!r}, which was compared, is gone or damaged.") from None
    if len(rows) < len(searches):
        raise JournalError(
            f"The run {str(run)!r} holds {len(rows)} of the {len(searches)} searches that were compared.",
            "Give the command that made it again: it goes on from there.",
        )
    return rows
