"""The tables beside a run, computed again from its records: `detail.csv` and the run's line of the summary."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path as FilePath

from tt_scale.base_classes import Searcher
from tt_scale.bench.record import Row
from tt_scale.bench.replay.search_again import Difference
from tt_scale.bench.run.csv_logs import COLUMNS, HEAD, SummaryLine, detail_log, summary_line
from tt_scale.config import Config
from tt_scale.core.csv_cells import read_cell
from tt_scale.core.printable import shown
from tt_scale.space.first_steps import FirstSteps, known_tau

__all__ = ["Tables", "check_tables"]

NO_FIGURE = frozenset({"timestamp", "tag", "model", "prm", "method", "dataset", "knobs", "elapsed", "seed", "folder"})
"""Columns of the summary that say what was run, and when."""


@dataclass(frozen=True)
class Tables:
    """Which tables say what the records say.

    Attributes:
        confirmed: names of files that were compared.
        differences: where they state something else.
    """

    confirmed: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()


def check_tables(
    folder: FilePath, config: Config, searcher: Searcher, rows: Sequence[Row], first_steps: FirstSteps | None
) -> Tables:
    """Compare the tables of a finished run with those that rows give.

    Args:
        folder: of the run.
        config: of the run.
        searcher: its method.
        rows: of all searches, run again.
        first_steps: what a quantile came to; None where `tau` is a number.
    """
    confirmed: list[str] = []
    found: list[Difference] = []
    details = folder / "detail.csv"
    if details.is_file() and _columns(details) == HEAD:
        confirmed.append(details.name)
        found += _detail_differences(details, rows)
    line = _line_of(folder, config)
    if line is not None:
        confirmed.append("summary.csv")
        found += _summary_differences(line, folder, config, searcher, rows, first_steps)
    return Tables(tuple(confirmed), tuple(found))


def _detail_differences(path: FilePath, rows: Sequence[Row]) -> Iterator[Difference]:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    again = detail_log(rows).splitlines()
    for number in range(max(len(lines), len(again))):
        one, other = (each[number] if number < len(each) else "" for each in (lines, again))
        if one != other:
            yield Difference(f"detail.csv, line {number + 1}", shown(one), shown(other))


def _summary_differences(
    line: dict[str, str],
    folder: FilePath,
    config: Config,
    searcher: Searcher,
    rows: Sequence[Row],
    first_steps: FirstSteps | None,
) -> Iterator[Difference]:
    tau = known_tau(getattr(searcher, "tau", None), first_steps.value if first_steps else None)
    again = summary_line(config, read_cell(line["dataset"]), folder, rows, 0.0, tau, first_steps)
    for field in fields(SummaryLine):
        value = getattr(again, field.name)
        written = "" if value is None else str(value)
        if field.name not in NO_FIGURE and line[field.name] != written:
            yield Difference(f"summary.csv, {field.name}", line[field.name] or "empty", written or "empty")


def _line_of(folder: FilePath, config: Config) -> dict[str, str] | None:
    """The last line of a summary about a run, wherever the summary lies beside it."""
    folder = folder.resolve()
    own = [FilePath(config.summary_csv)] if config.summary_csv else []
    for path in [*own, folder.parent / "summary.csv", folder.parent.parent / "summary.csv"]:
        if not path.is_file() or _columns(path) != COLUMNS:
            continue
        with path.open(newline="", encoding="utf-8", errors="replace") as file:
            about = [line for line in csv.DictReader(file) if _is_of(line, folder)]
        if about:
            return about[-1]
    return None


def _is_of(line: dict[str, str], folder: FilePath) -> bool:
    """Whether a line is about a run; the folder of all runs may have been moved since."""
    if None in line.values():
        return False
    written = FilePath(read_cell(line["folder"])).parts[-2:]
    return bool(written) and folder.parts[-len(written) :] == written


def _columns(path: FilePath) -> list[str]:
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        return next(csv.reader(file), [])
