"""Write comparison.json, comparison.md and comparison.csv of a comparison."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path as FilePath
from typing import Any

from tt_scale.bench.compare.written import FILE, MARK
from tt_scale.bench.stats.comparison import Comparison, Entry, frontier
from tt_scale.bench.stats.verdict import verdict
from tt_scale.core.atomic_file import replacing
from tt_scale.core.csv_cells import written_row
from tt_scale.core.printable import one_line, printable
from tt_scale.errors import JournalError
from tt_scale.report.comparison_tables import LEGEND, READ_OFF, sheets
from tt_scale.report.tables import markdown

__all__ = ["check_files", "write_files"]

NAMES = (FILE, "comparison.md", "comparison.csv")


def check_files(folder: FilePath) -> None:
    """Check before a run that its tables can be written to a folder.

    Raises:
        JournalError: a file of the same name was not written by this command; it is left unchanged.
    """
    for name in NAMES:
        path = folder / name
        if os.path.exists(path) and not os.path.exists(folder / NAMES[0]):
            raise _foreign(path)
    path = folder / NAMES[0]
    if not os.path.exists(path):
        return
    try:
        is_comparison = json.loads(path.read_text(encoding="utf-8")).get("made_by") == MARK
    except (OSError, ValueError, AttributeError):
        is_comparison = False
    if not is_comparison:
        raise _foreign(path)


def _foreign(path: FilePath) -> JournalError:
    return JournalError(
        f"{str(path)!r} was not written by {MARK}. Nothing was changed.", "Give another --run-tag, or move the file."
    )


def write_files(folder: FilePath, comparisons: Sequence[Comparison]) -> list[FilePath]:
    """Write the three files, each atomically.

    Raises:
        JournalError: a file cannot be written.
    """
    document = {"made_by": MARK, "comparisons": [_record(comparison) for comparison in comparisons]}
    texts = (
        json.dumps(document, indent=2, ensure_ascii=False) + "\n",
        "\n\n".join([_page(comparison) for comparison in comparisons]) + "\n",
        _lines(document["comparisons"]),  # type: ignore[arg-type]
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in zip(NAMES, texts, strict=True):
            with replacing(folder / name) as file:
                file.write(text)
    except OSError as error:
        raise JournalError(f"The tables cannot be written to {str(folder)!r}: {error.strerror or error}.") from None
    return [folder / name for name in NAMES]


def _record(comparison: Comparison) -> dict[str, Any]:
    best = {id(entry) for entry in frontier(comparison.entries)}
    return {
        "dataset": comparison.dataset,
        "models": comparison.models,
        "problems": comparison.problems,
        "searches": sorted({(row.id, row.repeat) for entry in comparison.entries for row in entry.rows}),
        "entries": [{**_figures(entry, comparison.k), "frontier": id(entry) in best} for entry in comparison.entries],
        "pairs": [{"budget": budget, **asdict(pair)} for budget, pairs in comparison.pairs.items() for pair in pairs],
        "majority_at_equal_tokens": [
            {"budget": gap.entry.budget, "vote": gap.vote, **asdict(gap.pair), "first": gap.entry.label}
            for gap in comparison.votes
            if gap.pair is not None
        ],
        "verdict": verdict(comparison),
        "footer": list(comparison.footer),
    }


def _figures(entry: Entry, k: int) -> dict[str, Any]:
    summary = entry.summary
    return {
        "method": entry.label,
        "budget": entry.budget,
        "accuracy": summary.accuracy,
        "low": summary.low,
        "high": summary.high,
        "correct": summary.correct,
        "samples": summary.samples,
        "tokens": summary.counted_tokens,
        "prm_tokens": summary.counted_prm_tokens,
        "seconds": entry.seconds,
        "pass_at_k": entry.pass_at(k),
        "k": k,
        "pool": entry.pool,
        "cut": entry.cut,
        "truncated": entry.truncated,
        "no_answer": summary.no_answer,
        "ungraded": summary.ungraded,
        "errors": summary.errors,
        "derived": entry.derived,
        "votes": entry.votes,
        "drawn": entry.samples,
        "selector": entry.selector,
        "final_agg": entry.final_agg,
        "prm_counts": entry.prm_counts,
        "folder": entry.folder,
    }


def _lines(comparisons: Sequence[Mapping[str, Any]]) -> str:
    rows = [{"dataset": each["dataset"], **entry} for each in comparisons for entry in each["entries"]]
    file = io.StringIO()
    sheet = csv.DictWriter(file, list(rows[0]))
    sheet.writeheader()
    sheet.writerows([dict(zip(row, written_row(row.values()), strict=True)) for row in rows])
    return file.getvalue()


def _page(comparison: Comparison) -> str:
    parts = [one_line(f"# {comparison.dataset}: {comparison.models}, {comparison.problems:,} problems")]
    parts.append("\n".join([f"- {line}" for line in verdict(comparison)]))
    parts += [markdown(sheet) for sheet in sheets(comparison, all_pairs=True)]
    return printable("\n\n".join([*parts, f"{LEGEND} {READ_OFF}", *comparison.footer]))
