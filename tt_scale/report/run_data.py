"""Runs read back from their folders for people to look at: numbers in memory, trees one at a time.

This is the one place that opens a journal for a report, a plot or a terminal. It reads runs that are in progress and
journals with damaged lines, and names what it left out; it never writes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path as FilePath
from typing import Any

from tt_scale._version import __version__
from tt_scale.bench.compare.finished import FinishedRun
from tt_scale.bench.format.lines import checked
from tt_scale.bench.record import unpack
from tt_scale.bench.run.origin import Origin
from tt_scale.errors import ConfigError, JournalError
from tt_scale.report.search_record import Row, SearchRecord, checked_row

__all__ = ["DamagedLine", "Problem", "RunData", "Search", "open_run", "open_runs", "run_folders"]

Search = tuple[str, int]
"""Problem id and repeat."""

MANIFEST, RECORDS = "manifest.json", "problems.jsonl"
LONGEST_REASON = 200


@dataclass(frozen=True, slots=True)
class DamagedLine:
    """A line of a journal that cannot be read.

    Attributes:
        number: from 1.
        reason: what is wrong with it.
    """

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Problem:
    """What a run says of one problem.

    Attributes:
        index: in the set, from 0.
        id: stable across runs of the same set.
        level: if the set has levels.
        subject: if the set has subjects.
        question: that the model was asked.
        gold: the gold answer.
    """

    index: int
    id: str
    level: int | None
    subject: str | None
    question: str
    gold: str


@dataclass
class RunData:
    """One run folder.

    Attributes:
        folder: where it is.
        manifest: the content of `manifest.json`.
        rows: the numbers of each search that is done, in the order in which they finished.
        problems: by id.
        damaged: lines that were left out.
        name: what people read it as among the others; the method where it stands alone.
    """

    folder: FilePath
    manifest: Mapping[str, Any]
    rows: list[Row] = field(default_factory=list)
    problems: dict[str, Problem] = field(default_factory=dict)
    damaged: list[DamagedLine] = field(default_factory=list)
    name: str = ""
    _places: dict[Search, int] = field(default_factory=dict, repr=False)

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
        tau = told.get("value", self.experiment.get("tau"))
        return float(tau) if isinstance(tau, int | float) else None

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

    def search(self, search: Search) -> SearchRecord:
        """Read one search with its tree.

        Raises:
            JournalError: it is not in the run, or its record is damaged.
        """
        if search not in self._places:
            raise JournalError(f"{str(self.folder)!r} holds no search {search[1]} of {search[0]!r}.")
        try:
            with (self.folder / RECORDS).open("rb") as lines:
                lines.seek(self._places[search])
                return SearchRecord.of(unpack(_record(lines.readline())))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise JournalError(
                f"The record of {search[0]!r} in {str(self.folder)!r} is damaged ({_reason(error)})."
            ) from None
        except OSError as error:
            raise _unreadable(self.folder / RECORDS, error) from None

    def searches(self) -> Iterator[SearchRecord]:
        """Read every search with its tree, one at a time; those with a damaged tree are left out."""
        for search in self._places:
            try:
                yield self.search(search)
            except JournalError:
                continue

    def _read(self) -> None:
        """Take the numbers out of every line."""
        try:
            with (self.folder / RECORDS).open("rb") as lines:
                place = 0
                for number, line in enumerate(lines, 1):
                    self._take(number, line, place)
                    place += len(line)
        except FileNotFoundError:
            return  # begun, but nothing is finished yet
        except OSError as error:
            raise _unreadable(self.folder / RECORDS, error) from None

    def _take(self, number: int, line: bytes, place: int) -> None:
        if not line.endswith(b"\n"):
            return  # being written
        try:
            record = _record(line)
            row = checked_row(record)
            search = (row.id, row.repeat)
            if search in self._places:
                raise ValueError(f"{row.id!r} stands in an earlier line")
            problem = Problem(row.index, row.id, row.level, record.get("subject"), str(record["question"]), row.gold)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            self.damaged.append(DamagedLine(number, _reason(error)))
            return
        self.rows.append(row)
        self.problems.setdefault(row.id, problem)
        self._places[search] = place


def open_run(folder: FilePath) -> RunData:
    """Open one run folder.

    Raises:
        JournalError: there is no such folder, it is no run, or another version wrote what this one cannot read.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _no_run(folder) from None
    except (ValueError, RecursionError):
        raise JournalError(f"{str(path)!r} is damaged: it is not JSON.") from None
    except OSError as error:
        raise _unreadable(path, error) from None
    run = RunData(folder, manifest)
    _check_manifest(run)
    run._read()
    if run.damaged and not run.rows:
        raise _other_version(run)
    run.name = run.method
    return run


def open_runs(paths: Sequence[str | FilePath]) -> list[RunData]:
    """Open run folders, or all runs that lie in a folder; each once, in the order given.

    Raises:
        JournalError: as `open_run`.
        ConfigError: nothing was named.
    """
    folders = {folder.resolve(): folder for path in paths for folder in run_folders(FilePath(path))}
    if not folders:
        raise ConfigError("No run was named.", "Name a folder that bench wrote.")
    return [open_run(folder) for folder in folders.values()]


def run_folders(folder: FilePath) -> list[FilePath]:
    """The folder itself where it is a run, else the runs that lie in it, by name.

    Raises:
        JournalError: it is neither.
    """
    if (folder / MANIFEST).exists():
        return [folder]
    found = sorted(folder.glob(f"*/{MANIFEST}")) if folder.is_dir() else []
    if not found:
        raise _no_run(folder)
    return [path.parent for path in found]


def _record(line: bytes) -> dict[str, Any]:
    """Read a line of a journal.

    Raises:
        ValueError: it is no JSON object, or its checksum is wrong.
        JournalError: a later version wrote it.
    """
    record = json.loads(checked(line).decode("utf-8"))
    if not isinstance(record, dict):
        raise ValueError("not a JSON object")
    return record


def _check_manifest(run: RunData) -> None:
    try:
        if not isinstance(run.manifest["config"], dict) or run.wanted < 0:
            raise TypeError
        str(run.experiment["method"]), dict(run.manifest.get("versions", {})), dict(run.manifest.get("updates", {}))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        raise JournalError(f"{str(run.folder / MANIFEST)!r} is damaged, or is not the manifest of a search.") from None


def _no_run(folder: FilePath) -> JournalError:
    if folder.is_file():
        return JournalError(f"{str(folder)!r} is a file, not a run folder.", f"Name its folder: {folder.parent}")
    if not folder.exists():
        return JournalError(f"There is no folder {str(folder)!r}.", "Name a folder that bench wrote.")
    return JournalError(
        f"{str(folder)!r} is not a run folder and holds none: there is no {MANIFEST}.",
        "Name a folder that bench wrote.",
    )


def _other_version(run: RunData) -> JournalError:
    wrote = run.manifest.get("versions", {}).get("tt-scale", "unknown")
    first = run.damaged[0]
    hint = "" if wrote in ("unknown", __version__) else f"Type: pip install tt-scale=={wrote}"
    return JournalError(
        f"No record in {str(run.folder)!r} can be read by version {__version__}; version {wrote} wrote them "
        f"(line {first.number}: {first.reason}).",
        hint,
    )


def _unreadable(path: FilePath, error: OSError) -> JournalError:
    return JournalError(f"{str(path)!r} cannot be read: {error.strerror or error}.")


def _reason(error: BaseException) -> str:
    """Say what is wrong with a record, shortly."""
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON at character {error.pos}"
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, KeyError):
        return f"{error.args[0]!r} is missing"
    return (str(error) or type(error).__name__)[:LONGEST_REASON]
