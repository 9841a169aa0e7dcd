"""The CSV files that people open first."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from datetime import datetime, timezone
from pathlib import Path as FilePath
from typing import IO, Any

from tt_scale.bench.record import Row
from tt_scale.bench.run.line_file import LineFile, unwritable
from tt_scale.bench.run.manifest import other_methods_knobs
from tt_scale.bench.stats.backtracking import sum_up
from tt_scale.bench.stats.metrics import summarise
from tt_scale.config import WIDTH_KEYS, Config
from tt_scale.config.listing import config_keys
from tt_scale.core.atomic_file import replacing
from tt_scale.core.csv_cells import written_cell, written_row
from tt_scale.errors import JournalError
from tt_scale.space.first_steps import FirstSteps

__all__ = [
    "COLUMNS",
    "HEAD",
    "SummaryLine",
    "append_summary",
    "check_summary",
    "detail_log",
    "in_summary",
    "summary_line",
    "summary_path",
    "write_detail_log",
]

COUNTS = (
    "steps", "judged", "passed", "retries", "backtracks", "recovered", "jumps", "pool", "cut", "truncated", "forced",
    "unreadable", "wasted_tokens",
)  # fmt: skip
SPENT = (
    "prompt_tokens",
    "cached_prompt_tokens",
    "prm_tokens",
    "cached_prm_tokens",
    "generator_calls",
    "seconds",
    "flops",
)
HEAD = [
    "question_index", "id", "repeat", "level", "model_answer", "gold_answer", "correct", "grade", "total_tokens",
    *COUNTS, *SPENT, "stopped", "error",
]  # fmt: skip
KNOB_GROUPS = ("Sampling", "Search", "Budget")


def write_detail_log(path: FilePath, rows: Sequence[Row]) -> None:
    """Write one line for each problem and repeat, in the order of the set; replaced whole, never half written.

    Raises:
        JournalError: the file cannot be written.
    """
    try:
        with replacing(path) as file:
            _write_details(file, rows)
    except OSError as error:
        raise unwritable(path, error, "The detail log") from None


def detail_log(rows: Sequence[Row]) -> str:
    """Give the text of the detail log."""
    text = io.StringIO(newline="")
    _write_details(text, rows)
    return text.getvalue()


def _write_details(file: IO[Any], rows: Sequence[Row]) -> None:
    sheet = csv.writer(file)
    sheet.writerow(HEAD)
    sheet.writerows(_cells(row) for row in sorted(rows, key=lambda row: (row.index, row.repeat)))


def _cells(row: Row) -> list[Any]:
    usage = row.usage
    return written_row(
        [
            *(row.index, row.id, row.repeat, row.level, row.answer, row.gold, row.correct, row.grade),
            usage.generated_tokens,
            *(row.telemetry.get(count, 0) for count in COUNTS),
            *(getattr(usage, spent) for spent in SPENT),
            *(row.stopped, row.error),
        ]
    )


@dataclass(frozen=True, slots=True)
class SummaryLine:
    """One line about a whole run; its fields are the columns of the summary.

    Attributes:
        timestamp: of its end, UTC.
        tag: `run_tag`.
        model: `model_name`.
        prm: `prm_name`.
        method: of the run.
        dataset: as it was named.
        knobs: what differs from the defaults among sampling, search and budget, as far as the method reads it.
        correct: problems answered right.
        total: problems x repeats.
        accuracy: correct / total, in [0, 1].
        low: lower end of its 95 % interval.
        high: upper end.
        avg_tokens: generated per problem; empty if unknown.
        tau: the score that steps were judged by; empty for a method that has no tau.
        tau_tokens: generated for the whole run to find out what a quantile comes to; in no average.
        pass_rate: steps that passed of those judged, in [0, 1]; this and the next two are empty where there were none.
        recovery_rate: backtracks that a correct path followed, of all, in [0, 1].
        wasted_share: tokens on no path of a pool, of all, in [0, 1].
        retries: per problem.
        backtracks: per problem.
        jumps: per problem.
        no_answer: problems without an answer.
        ungraded: answers that the grader could not judge.
        errors: problems that failed.
        elapsed: seconds of the last leg of the run.
        seed: of the run.
        folder: where its records are.
    """

    timestamp: str
    tag: str
    model: str
    prm: str
    method: str
    dataset: str
    knobs: str
    correct: int
    total: int
    accuracy: float
    low: float
    high: float
    avg_tokens: float | None
    tau: float | None
    tau_tokens: int
    pass_rate: float | None
    recovery_rate: float | None
    wasted_share: float | None
    retries: float
    backtracks: float
    jumps: float
    no_answer: int
    ungraded: int
    errors: int
    elapsed: float
    seed: int
    folder: str


LOCK_SECONDS = 60.0
"""What a run waits for others that write to the same summary, each for a moment."""

COLUMNS = [field.name for field in fields(SummaryLine)]


def summary_path(config: Config) -> FilePath:
    """Where the summary of a run goes."""
    return FilePath(config.summary_csv or FilePath(config.output_dir) / "summary.csv")


def summary_line(
    config: Config,
    dataset: str,
    folder: FilePath,
    rows: Sequence[Row],
    elapsed: float,
    tau: float | None = None,
    first_steps: FirstSteps | None = None,
) -> SummaryLine:
    """Sum a run up.

    Args:
        config: of the run.
        dataset: as it was named.
        folder: of the run.
        rows: at least one.
        elapsed: seconds of the last leg.
        tau: the score that steps were judged by, if the method has such a knob.
        first_steps: what a quantile was measured on.
    """
    summary, back = summarise("Overall", rows), sum_up(rows)
    return SummaryLine(
        timestamp=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        tag=config.run_tag,
        model=config.model_name,
        prm=config.prm_name,
        method=config.method,
        dataset=dataset,
        knobs=_knobs(config),
        correct=summary.correct,
        total=summary.samples,
        accuracy=round(summary.accuracy, 6),
        low=round(summary.low, 6),
        high=round(summary.high, 6),
        avg_tokens=None if summary.counted_tokens is None else round(summary.counted_tokens, 2),
        tau=_rounded(tau),
        tau_tokens=first_steps.usage.generated_tokens if first_steps else 0,
        pass_rate=_rounded(back.pass_rate),
        recovery_rate=_rounded(back.recovery_rate),
        wasted_share=_rounded(back.wasted_share),
        retries=round(back.retries / summary.samples, 2),
        backtracks=round(back.backtracks / summary.samples, 2),
        jumps=round(back.jumps / summary.samples, 2),
        no_answer=summary.no_answer,
        ungraded=summary.ungraded,
        errors=summary.errors,
        elapsed=round(elapsed, 2),
        seed=config.seed,
        folder=str(folder),
    )


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 6)


def _knobs(config: Config) -> str:
    derived = WIDTH_KEYS & config.model_fields_set if config.budget else frozenset()
    telling = (config.non_defaults | derived) - other_methods_knobs(config)
    names = [key.name for key in config_keys() if key.group in KNOB_GROUPS and key.name in telling]
    return " ".join([f"{name}={getattr(config, name)}" for name in names])


def check_summary(path: FilePath) -> None:
    """Find out before a run whether its line can be appended in the end.

    Raises:
        JournalError: the file cannot be written, or is not one of ours; it is left alone.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        found = _columns(path)
        _lock_file(path).touch()
        if path.exists() and not os.access(path, os.W_OK):
            raise PermissionError(13, "Permission denied")
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise _unwritable(path, error) from None
    if found not in ([], COLUMNS):
        raise JournalError(
            f"The summary {str(path)!r} has other columns ({', '.join(found)[:200]}). Nothing was changed.",
            "Give another --summary-csv.",
        )


def append_summary(path: FilePath, line: SummaryLine) -> None:
    """Append a line, under a lock, so that several runs may share a summary; errors as in `check_summary`."""
    from filelock import FileLock, Timeout

    cells = written_row(astuple(line))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(_lock_file(path), timeout=LOCK_SECONDS):
            check_summary(path)
            _append_rows(path, [cells] if _columns(path) else [COLUMNS, cells])
    except Timeout:  # an OSError, too
        raise JournalError(
            f"Another process has locked {str(path)!r} for {LOCK_SECONDS:.0f} s; this run's line was not added.",
            "All records are kept: type the same command again once the other process has ended.",
        ) from None
    except OSError as error:
        raise _unwritable(path, error) from None


def _lock_file(path: FilePath) -> FilePath:
    return path.with_name(f".{path.name}.lock")


def in_summary(path: FilePath, line: SummaryLine) -> bool:
    """Whether a summary holds a line about the same run with the same results; errors as in `check_summary`."""
    same = ("folder", "correct", "total", "avg_tokens")
    own = {name: str(written_cell(getattr(line, name))) for name in same}
    check_summary(path)
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return any({name: row.get(name) for name in same} == own for row in csv.DictReader(file))
    except FileNotFoundError:
        return False
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise _unwritable(path, error) from None


def _append_rows(path: FilePath, rows: Sequence[Sequence[Any]]) -> None:
    """Append rows, all of them or none; a last line that has no end gets one."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    whole = LineFile(path, "The summary")
    try:
        whole.append((b"" if _is_ended(path) else b"\r\n") + text.getvalue().encode())
    finally:
        whole.close()


def _is_ended(path: FilePath) -> bool:
    """Whether a file is empty or its last line has an end."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - 1, 0))
        return file.read(1) in (b"", b"\n")


def _columns(path: FilePath) -> list[str]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return next(csv.reader(file), [])


def _unwritable(path: FilePath, error: Exception) -> JournalError:
    return unwritable(path, error, "The summary", "Give another --summary-csv.")
