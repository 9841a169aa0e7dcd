"""The CSV files that people open first."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path as FilePath
from typing import Any

from tt_scale.bench.metrics import summarise
from tt_scale.bench.record import Row
from tt_scale.config import Config
from tt_scale.errors import JournalError

__all__ = ["append_summary", "summary_row", "write_detail_log"]

COUNTS = ("steps", "retries", "backtracks", "jumps", "pool", "truncated", "wasted_tokens")
SPENT = (
    "prompt_tokens",
    "cached_prompt_tokens",
    "prm_tokens",
    "cached_prm_tokens",
    "generator_calls",
    "seconds",
    "flops",
)


def write_detail_log(path: FilePath, rows: Sequence[Row]) -> None:
    """Write one line for each problem and repeat, in the order of the set; replaced whole, never half written."""
    head = [
        "question_index", "id", "repeat", "level", "model_answer", "gold_answer", "correct", "grade", "total_tokens",
        *COUNTS, *SPENT, "stopped", "error",
    ]  # fmt: skip
    partial = path.with_suffix(".partial")
    with partial.open("w", newline="", encoding="utf-8") as file:
        sheet = csv.writer(file)
        sheet.writerow(head)
        for row in sorted(rows, key=lambda row: (row.index, row.repeat)):
            usage = row.usage
            cells: list[Any] = [row.index, row.id, row.repeat, row.level, row.answer, row.gold, row.correct, row.grade]
            cells += [usage.generated_tokens, *(row.telemetry.get(count, 0) for count in COUNTS)]
            cells += [getattr(usage, spent) for spent in SPENT]
            sheet.writerow([*cells, row.stopped, row.error])
    os.replace(partial, path)


def summary_row(config: Config, dataset: str, folder: FilePath, rows: Sequence[Row], elapsed: float) -> dict[str, Any]:
    """One line about a whole run."""
    summary = summarise("Overall", rows)
    knobs = " ".join([f"{key}={getattr(config, key)}" for key in sorted(config.model_fields_set & _KNOBS)])
    return {
        "timestamp": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "tag": config.run_tag,
        "model": config.model_name,
        "prm": config.prm_name,
        "method": config.method,
        "dataset": dataset,
        "knobs": knobs,
        "correct": summary.correct,
        "total": summary.samples,
        "accuracy": round(summary.accuracy, 6),
        "low": round(summary.low, 6),
        "high": round(summary.high, 6),
        "avg_tokens": round(summary.tokens, 2),
        "no_answer": summary.no_answer,
        "ungraded": summary.ungraded,
        "errors": summary.errors,
        "elapsed": round(elapsed, 2),
        "seed": config.seed,
        "folder": str(folder),
    }


_KNOBS = {
    key for key, field in Config.model_fields.items()
    if isinstance(field.json_schema_extra, dict) and field.json_schema_extra["group"] in ("Sampling", "Search", "Budget")
}  # fmt: skip


def append_summary(path: FilePath, row: Mapping[str, Any]) -> None:
    """Append a line, under a lock; a file with other columns is left alone.

    Raises:
        JournalError: the file cannot be written, or is not one of ours.
    """
    from filelock import FileLock

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.name}.lock")):
            new = not path.exists() or path.stat().st_size == 0
            if not new:
                with path.open(newline="", encoding="utf-8") as file:
                    found = next(csv.reader(file), [])
                if found != list(row):
                    raise JournalError(
                        f"The summary {str(path)!r} has other columns ({', '.join(found)[:200]}). Nothing was changed.",
                        "Give another --summary-csv.",
                    )
            with path.open("a", newline="", encoding="utf-8") as file:
                sheet = csv.DictWriter(file, list(row))
                if new:
                    sheet.writeheader()
                sheet.writerow(row)
    except OSError as error:
        raise JournalError(f"The summary {str(path)!r} cannot be written: {error.strerror or error}.") from None
