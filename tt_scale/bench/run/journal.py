"""A run folder: what was run, one flushed line for each finished problem, and the right to continue.

logs/<folder>/manifest.json     configuration and its digest, versions, hardware, commit
logs/<folder>/problems.jsonl    one line for each problem and repeat
logs/<folder>/detail.csv        the same without trees, for spreadsheets

Runs that are no searches keep other records in a file of another name, by the same rules.
"""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path as FilePath
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, Protocol, TypeVar, cast

from tt_scale.bench.record import Row
from tt_scale.bench.run.manifest import rules_since
from tt_scale.bench.run.origin import Origin
from tt_scale.config import digest
from tt_scale.core.atomic_file import replacing
from tt_scale.errors import JournalError
from tt_scale.space.first_steps import FirstSteps

if TYPE_CHECKING:
    from filelock import BaseFileLock
    from typing_extensions import Self

__all__ = ["Entry", "Journal", "JournalOf", "differing_keys", "read_records"]


class Entry(Protocol):
    """What stays of a record in memory; `error` is empty where nothing failed."""

    @property
    def error(self) -> str:
        """What went wrong."""


EntryT = TypeVar("EntryT", bound=Entry)


class JournalOf(ABC, Generic[EntryT]):
    """The journal of one run, open for appending. Use it as a context manager.

    Args:
        folder: made if it does not exist.
        manifest: written on the first run; must name the same experiment on a later one.
        retry_failed: take what failed out of the journal, so that it is run again.

    Attributes:
        file: name of the file of the records.
        rows: what is in the journal, in the order in which it was finished.
        first_steps: what a quantile as `tau` came to when this run began; None where there is none yet.
        versions: of packages when the run began.
        updates: later versions under which records were added: name -> versions, in order.
        updated: packages whose version is not that of the records before: name -> (then, now).

    Raises:
        JournalError: the folder cannot be written, another process writes to it, or it belongs to another experiment.
    """

    file: ClassVar[str]

    def __init__(self, folder: FilePath, manifest: Mapping[str, Any], *, retry_failed: bool = False) -> None:
        self.folder = folder
        self.rows: list[EntryT] = []
        self.versions: Mapping[str, str] = manifest.get("versions", {})
        self.updates: dict[str, list[str]] = {}
        self.updated: dict[str, tuple[str, str]] = {}
        self.first_steps: FirstSteps | None = None
        self._retry_failed = retry_failed
        self._manifest = {**manifest, "digest": digest(manifest["experiment"])}
        self._lock: BaseFileLock | None = None
        self._lines: IO[str] | None = None

    @abstractmethod
    def entry(self, record: Mapping[str, Any]) -> EntryT:
        """Take out of a record what stays in memory.

        Raises:
            ValueError, KeyError, TypeError: it is no such record.
        """

    @abstractmethod
    def name_of(self, entry: EntryT) -> Hashable:
        """Say what an entry is about; a journal has one for each."""

    def __enter__(self) -> Self:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._take_lock()
            self._check_manifest()
            self._read_back()
            if self._retry_failed and any(row.error for row in self.rows):
                self._drop_failed()
            self._lines = (self.folder / self.file).open("a", encoding="utf-8")
        except OSError as error:
            self._release()
            raise JournalError(
                f"The run folder {str(self.folder)!r} cannot be written: {error.strerror or error}.",
                "Type: --output-dir with a folder of your own",
            ) from None
        except JournalError:
            self._release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._release()

    @property
    def experiment(self) -> Mapping[str, Any]:
        """What the run is, as its manifest says."""
        found: Mapping[str, Any] = self._manifest["experiment"]
        return found

    @property
    def origin(self) -> Origin:
        """What computed the run."""
        return Origin(self.experiment, self.versions, self.updates)

    def append(self, record: Mapping[str, Any]) -> EntryT:
        """Write one record as a line, flushed, and keep its numbers."""
        return self.append_line(json.dumps(record, ensure_ascii=False), record)

    def append_line(self, line: str, record: Mapping[str, Any]) -> EntryT:
        """Write what is a record's line already; `record` may lack what no number is taken of."""
        assert self._lines is not None, "the journal is not open"
        if self.updated:
            self._keep_updates()
        try:
            self._lines.write(line + "\n")
            self._lines.flush()
        except OSError as error:
            raise JournalError(f"{self.folder}/{self.file} cannot be written: {error.strerror or error}.") from None
        row = self.entry(record)
        self.rows.append(row)
        return row

    def keep_first_steps(self, first_steps: FirstSteps) -> None:
        """Write down in the manifest what a quantile came to; every later leg of the run goes by it."""
        self._keep("first_steps", first_steps.record())
        self.first_steps = first_steps

    def _keep_updates(self) -> None:
        """Write down that the records from here on come from other versions."""
        for package, (_, now) in self.updated.items():
            self.updates.setdefault(package, []).append(now)
        self.updated = {}
        self._keep("updates", self.updates)

    def _keep(self, key: str, value: Any) -> None:
        path = self.folder / "manifest.json"
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            _replace(path, {**stored, key: value})
        except OSError as error:
            raise JournalError(f"{str(path)!r} cannot be written: {error.strerror or error}.") from None

    def _take_lock(self) -> None:
        from filelock import FileLock, Timeout

        self._lock = FileLock(self.folder / ".lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            self._lock = None
            raise JournalError(
                f"Another process is writing to {str(self.folder)!r}.", "Wait for it, or give another --run-tag."
            ) from None

    def _check_manifest(self) -> None:
        path = self.folder / "manifest.json"
        if not path.exists():
            if (self.folder / self.file).exists():
                raise JournalError(
                    f"{str(self.folder)!r} holds {self.file} but no manifest.json; it is no run folder.",
                    "Give another --run-tag.",
                )
            _replace(path, self._manifest)
            return
        found = self._read_manifest(path)
        keys = differing_keys(found, self._manifest["experiment"])
        if keys and self._holds_records():
            self._refuse(found, keys)
        if keys or not (self.first_steps or self._holds_records()):
            self.first_steps = None
            _replace(path, self._manifest)  # of a run that never began: nothing is lost
            self.versions, self.updates = self._manifest["versions"], {}
            return
        known = {**self.versions, **{package: later[-1] for package, later in self.updates.items()}}
        self.updated = {
            package: (known[package], now)
            for package, now in self._manifest["versions"].items()
            if known.get(package, now) != now
        }

    def _read_manifest(self, path: FilePath) -> Mapping[str, Any]:
        """Take versions and first steps out of the manifest of an earlier start; gives its experiment."""
        try:
            earlier = json.loads(path.read_text(encoding="utf-8"))
            found, self.versions, self.updates = earlier["experiment"], earlier["versions"], earlier.get("updates", {})
            if not all(isinstance(each, dict) for each in (found, self.versions, self.updates)):
                raise TypeError
            if not all(isinstance(later, list) and later for later in self.updates.values()):
                raise TypeError
            if "first_steps" in earlier:
                self.first_steps = FirstSteps.of(earlier["first_steps"])
        except (ValueError, KeyError, TypeError):
            raise JournalError(f"{str(path)!r} is damaged.", "Give another --run-tag.") from None
        return cast("Mapping[str, Any]", found)

    def _refuse(self, found: Mapping[str, Any], keys: Sequence[str]) -> NoReturn:
        if "search_rules" in keys:
            raise JournalError(
                f"The run folder {str(self.folder)!r} was begun under other search rules; since then "
                f"{rules_since(found.get('search_rules', 1))}. Its results stay readable, and nothing was changed.",
                f"Give another --run-tag; for its tables type: tt-scale compare {self.folder}",
            )
        told = "; ".join(
            [f"{key}: {found.get(key)!r} there, {self._manifest['experiment'].get(key)!r} here" for key in keys]
        )
        hint = "Give another --run-tag, or the configuration of that run."
        if keys == ["dtype"]:  # which another machine may have chosen
            hint = f"To go on with it, type: --dtype {found.get('dtype')}"
        raise JournalError(
            f"The run folder {str(self.folder)!r} belongs to another configuration ({told}). Nothing was changed.", hint
        )

    def _holds_records(self) -> bool:
        path = self.folder / self.file
        return path.exists() and path.stat().st_size > 0

    def _read_back(self) -> None:
        """Read what is done; a torn last line is cut off, so that its problem is run again."""
        path = self.folder / self.file
        if not path.exists():
            return
        good = 0
        known: set[Hashable] = set()
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    if not line.endswith(b"\n"):
                        raise ValueError
                    row = self.entry(json.loads(line))
                    name = self.name_of(row)
                    if name in known:
                        raise JournalError(
                            f"{path} holds {name} a second time, in line {number}.",
                            "Take the line out, or give another --run-tag.",
                        )
                    known.add(name)
                    self.rows.append(row)
                except (ValueError, KeyError, TypeError, AttributeError):
                    if lines.read(1):
                        raise JournalError(f"{path} is damaged in line {number}.", "Give another --run-tag.") from None
                    break
                good += len(line)
        if good < path.stat().st_size:
            os.truncate(path, good)

    def _drop_failed(self) -> None:
        path = self.folder / self.file
        with path.open("rb") as lines, replacing(path, "wb") as kept:
            kept.writelines([line for line, row in zip(lines, self.rows, strict=True) if not row.error])
        self.rows = [row for row in self.rows if not row.error]

    def _release(self) -> None:
        if self._lines is not None:
            self._lines.close()
            self._lines = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def _replace(path: FilePath, manifest: Mapping[str, Any]) -> None:
    """Write a manifest whole or not at all."""
    with replacing(path) as file:
        file.write(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")


class Journal(JournalOf[Row]):
    """The journal of a search over many problems."""

    file = "problems.jsonl"

    def entry(self, record: Mapping[str, Any]) -> Row:
        """Take the numbers."""
        return Row.of(record)

    def name_of(self, entry: Row) -> Hashable:
        """Problem and repeat."""
        return entry.id, entry.repeat

    def done(self) -> set[tuple[str, int]]:
        """(problem id, repeat) of what need not be run again."""
        return {(row.id, row.repeat) for row in self.rows}


def differing_keys(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The keys in which two experiments differ, sorted."""
    return sorted([key for key in one.keys() | other.keys() if one.get(key) != other.get(key)])


def read_records(folder: FilePath) -> Iterator[dict[str, Any]]:
    """Read the records of a run one at a time, a torn last line left out.

    Raises:
        JournalError: there is no journal.
    """
    path = folder / "problems.jsonl"
    try:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                if line.endswith("\n"):
                    yield json.loads(line)
    except FileNotFoundError:
        raise JournalError(f"{str(folder)!r} holds no problems.jsonl.", "Name the folder of a run.") from None
