"""A run read back from its folder: numbers in memory, trees one at a time, damaged lines named and left out.

    run = tt_scale.read_run("logs/math500-collective-1f0c")
    print(run.method, len(run.rows), run.partial)
    for search in run.searches():
        print(search.row.id, search.row.grade, len(search.nodes))
    run.to_pandas().groupby("level").correct.mean()

This is the one place that opens a journal for a report, a plot, a replay or a notebook. A run may be in progress;
nothing is ever written. The journal is first read when something of it is asked for.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from tt_scale._version import __version__
from tt_scale.bench.format.lines import NO_RECORD, record_of
from tt_scale.bench.reader.data_frame import data_frame
from tt_scale.bench.reader.finished_run import FinishedRun
from tt_scale.bench.reader.journal_index import (
    DamagedLine,
    JournalIndex,
    ProblemRecord,
    reason_of,
    unreadable,
)
from tt_scale.bench.reader.run_paths import MANIFEST, only_run
from tt_scale.bench.reader.search_record import SearchRecord
from tt_scale.bench.rows import Row, Search
from tt_scale.bench.run.origin import Origin
from tt_scale.core.printable import listed
from tt_scale.errors import JournalError
from tt_scale.space.first_steps import known_tau

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ANOTHER_MANIFEST", "DamagedLine", "ProblemRecord", "RunData", "Search", "read_run"]

RECORDS = "problems.jsonl"
MOST_LINES = 8
"""Damaged lines that a warning names."""
ANOTHER_MANIFEST = (
    "Put it back from a copy, or search again: type the command of the run with another --run-tag. Its records in "
    f"{RECORDS} are untouched."
)


class RunData:
    """One run folder.

    Args:
        folder: where it is.
        manifest: the content of `manifest.json`.

    Attributes:
        name: what people read it as among the others; the method where it stands alone.
    """

    def __init__(self, folder: FilePath, manifest: Mapping[str, Any]) -> None:
        self.folder = folder
        self.manifest = manifest
        self.name = ""

    def __repr__(self) -> str:
        return f"RunData({str(self.folder)!r})"

    @property
    def experiment(self) -> Mapping[str, Any]:
        """What the run is, key by key."""
        found: Mapping[str, Any] = self.manifest["experiment"]
        return found

    @property
    def method(self) -> str:
        """Its search method."""
        return str(self.experiment["method"])

    @property
    def scored(self) -> bool:
        """Whether a PRM scored its steps."""
        return self.experiment.get("prm") != "none"

    @property
    def wanted(self) -> int:
        """Searches of the finished run: problems x repeats."""
        return int(str(self.experiment["problems"]).split()[0]) * int(self.experiment["repeats"])

    @property
    def partial(self) -> bool:
        """Whether searches are missing: the run is in progress, was broken off, or has damaged lines."""
        return len(self.rows) < self.wanted

    @property
    def tau(self) -> float | None:
        """The score at which a step passes; None where the method has no such threshold."""
        told = self.manifest.get("first_steps") or {}
        tau = known_tau(self.experiment.get("tau"), told.get("value"))
        return float(tau) if isinstance(tau, int | float) else None

    @property
    def rows(self) -> list[Row]:
        """The numbers of each search that is done, in the order in which they finished.

        Raises:
            JournalError: the journal cannot be read by this version; so does whatever else needs its lines.
        """
        return self._index.rows

    @property
    def problems(self) -> dict[str, ProblemRecord]:
        """Problems that were searched, by id."""
        return self._index.problems

    @property
    def damaged(self) -> list[DamagedLine]:
        """Lines that were left out."""
        return self._index.damaged

    @cached_property
    def finished(self) -> FinishedRun:
        """The same as `compare` reads it."""
        versions, updates = self.manifest.get("versions", {}), self.manifest.get("updates", {})
        origin = Origin(self.experiment, dict(versions), dict(updates))
        return FinishedRun(self.folder, self.experiment, self.manifest["config"], self.rows, origin)

    @cached_property
    def by_search(self) -> Mapping[Search, Row]:
        """The numbers of each search."""
        return {(row.id, row.repeat): row for row in self.rows}

    @cached_property
    def _by_problem(self) -> Mapping[str, list[Row]]:
        found: dict[str, list[Row]] = {}
        for row in self.rows:
            found.setdefault(row.id, []).append(row)
        return found

    def rows_of(self, problem: str) -> Sequence[Row]:
        """The numbers of each search of a problem."""
        return self._by_problem.get(problem, ())

    def record(self, search: Search) -> dict[str, Any]:
        """Read the line of one search as JSON, tree and tape still packed.

        Raises:
            JournalError: it is not in the run, or its line is damaged.
        """
        if search not in self._index.places:
            raise JournalError(f"{str(self.folder)!r} holds no search {search[1]} of {search[0]!r}.")
        path = self.folder / RECORDS
        try:
            with path.open("rb") as lines:
                lines.seek(self._index.places[search])
                return record_of(lines.readline())
        except NO_RECORD as error:
            raise self._damaged_record(search, error) from None
        except OSError as error:
            raise unreadable(path, error) from None

    def search(self, search: Search) -> SearchRecord:
        """Read one search with its tree and its tape.

        Args:
            search: problem id and repeat.

        Raises:
            JournalError: it is not in the run, or its record is damaged.
        """
        record = self.record(search)
        try:
            return SearchRecord.of(record)
        except NO_RECORD as error:
            raise self._damaged_record(search, error) from None

    def searches(self) -> Iterator[SearchRecord]:
        """Read every search with its tree, one at a time; those with a damaged tree are left out."""
        for search in self._index.places:
            try:
                yield self.search(search)
            except JournalError:
                continue

    def to_pandas(self) -> pd.DataFrame:
        """Give the numbers as a table: one row per search; usage and telemetry have a column each.

        A UserWarning names lines of the journal that are damaged and therefore have no row.

        Raises:
            ConfigError: pandas is not installed.
        """
        table = data_frame(self.rows, self.problems)
        if self.damaged:
            warnings.warn(self._left_out(), stacklevel=2)
        return table

    @cached_property
    def _index(self) -> JournalIndex:
        index = JournalIndex.of(self.folder / RECORDS)
        if index.damaged and not index.rows:
            raise _other_version(self, index.damaged[0])
        return index

    def _left_out(self) -> str:
        first = self.damaged[0]
        numbers = listed([str(line.number) for line in self.damaged], most=MOST_LINES)
        lines = f"line {numbers} is" if len(self.damaged) == 1 else f"lines {numbers} are"
        where = f"Of the journal of {str(self.folder)!r}, {lines} damaged and left out"
        return f"{where} (line {first.number}: {first.reason})."

    def _damaged_record(self, search: Search, error: BaseException) -> JournalError:
        return JournalError(
            f"The record of {search[0]!r} in {str(self.folder)!r} is damaged ({reason_of(error)}).",
            "Type the command of the run again: damaged lines are set aside and their problems searched again.",
        )


def read_run(folder: str | os.PathLike[str]) -> RunData:
    """Open the folder of a run, also of one in progress or of an earlier version.

    Args:
        folder: the run folder, or one that contains this run alone.

    Raises:
        JournalError: there is no such folder, or it is no run, or it contains several.
        TypeError: what was given is no path, such as None or bytes.
    """
    folder = only_run(folder)
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise JournalError(f"{str(path)!r} is damaged: it is not JSON.", ANOTHER_MANIFEST) from None
    except OSError as error:
        raise unreadable(path, error) from None
    run = RunData(folder, manifest)
    _check_manifest(run)
    run.name = run.method
    return run


def _check_manifest(run: RunData) -> None:
    try:
        if not isinstance(run.manifest["config"], dict) or run.wanted < 0:
            raise TypeError
        str(run.experiment["method"]), dict(run.manifest.get("versions", {})), dict(run.manifest.get("updates", {}))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        told = f"{str(run.folder / MANIFEST)!r} is damaged, or is not the manifest of a search."
        raise JournalError(told, ANOTHER_MANIFEST) from None


def _other_version(run: RunData, first: DamagedLine) -> JournalError:
    wrote = run.manifest.get("versions", {}).get("tt-scale", "unknown")
    hint = "" if wrote in ("unknown", __version__) else f"Type: pip install tt-scale=={wrote}"
    return JournalError(
        f"No record in {str(run.folder)!r} can be read by version {__version__}; version {wrote} wrote them "
        f"(line {first.number}: {first.reason}).",
        hint,
    )
