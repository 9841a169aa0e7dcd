"""Recompute a comparison from its folder: the same entries at the same budgets over the same runs.

`comparison.json` lists the entries and their searches; the figures are computed from the records.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any

from tt_scale.bench.compare.compare_command import with_votes, without_prm
from tt_scale.bench.compare.subsampled import derived_row, vote_curve
from tt_scale.bench.rows import Row, Search
from tt_scale.bench.run.journal import read_records, read_rows
from tt_scale.bench.stats.comparison import Comparison, Entry, compare_entries
from tt_scale.errors import JournalError

__all__ = ["FILE", "MARK", "compare_again", "was_compared"]

FILE, MARK = "comparison.json", "tt-scale compare"
"""File name of a recorded comparison, and the value of its key `made_by`."""


def was_compared(folder: FilePath) -> bool:
    """Whether a folder contains a comparison that can be recomputed."""
    return bool(_read(folder))


def compare_again(folder: FilePath) -> list[Comparison]:
    """Recompute the comparisons of a folder, without loading a model.

    Raises:
        JournalError: a compared run is missing, incomplete or damaged.
    """
    return [_comparison(folder, record) for record in _read(folder)]


def _read(folder: FilePath) -> list[Mapping[str, Any]]:
    """The comparisons in `comparison.json`.

    Empty if it is missing, from another program or an older version, or about finished runs, which are read themselves.
    """
    try:
        document = json.loads((folder / FILE).read_text(encoding="utf-8"))
        records = document["comparisons"] if document["made_by"] == MARK else []
        return list(records) if all("searches" in each and _lines(each) for each in records) else []
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _lines(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The entries that state how they select; votes over the pools of others do not, and are recomputed from them."""
    return [line for line in record["entries"] if line["selector"]]


def _comparison(folder: FilePath, record: Mapping[str, Any]) -> Comparison:
    searches = {(str(problem), int(repeat)) for problem, repeat in record["searches"]}
    entries = [_entry(folder, line, searches) for line in _lines(record)]
    drawn = [entry.samples is not None for entry in entries]
    sampled = [(entry.samples, entry.folder) for entry in entries if entry.samples is not None and not entry.derived]
    curve = None
    if sampled:
        samples, widest = max(sampled, key=lambda pair: pair[0])
        curve = vote_curve(FilePath(widest), samples, searches)
    comparison = compare_entries(str(record["dataset"]), str(record["models"]), with_votes(entries, drawn), curve)
    return replace(comparison, footer=tuple(record["footer"]))


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
        if line["derived"]:
            wanted = (each for each in read_records(run) if (each["id"], each["repeat"]) in searches)
            rows = [derived_row(record, line["drawn"] or 1, line["selector"], line["final_agg"]) for record in wanted]
        else:
            rows = [row for row in read_rows(run) if (row.id, row.repeat) in searches]
    except (OSError, ValueError, KeyError, TypeError):
        raise JournalError(f"The run {str(run)!r}, which was compared, is missing or damaged.") from None
    if len(rows) < len(searches):
        raise JournalError(
            f"The run {str(run)!r} holds {len(rows)} of the {len(searches)} searches that were compared.",
            "Type the command that wrote it again; it resumes the run.",
        )
    return rows
