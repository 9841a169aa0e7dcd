"""A run folder: what was run, one line with a checksum for each finished problem, and the right to continue.

logs/<folder>/manifest.json             configuration and its digest, versions, hardware, commit
logs/<folder>/problems.jsonl            one line for each problem and repeat; see docs/journal.md
logs/<folder>/problems.damaged.jsonl    lines that were not as written; their problems are searched again
logs/<folder>/detail.csv                the same without trees, for spreadsheets

Runs that are no searches keep other records in a file of another name, by the same rules.
"""

from __future__ import annotations

import gc
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path as FilePath
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, Protocol, TypeVar, cast

from pydantic_core import from_json

from tt_scale.bench.format.lines import NO_RECORD, line_of, read_line
from tt_scale.bench.run.line_file import LineFile, remove_partial_files, unwritable
from tt_scale.bench.run.manifest import rules_changed
from tt_scale.bench.run.origin import Origin
from tt_scale.config import digest
from tt_scale.core.atomic_file import replacing
from tt_scale.errors import JournalError
from tt_scale.space.first_steps import FirstSteps

if TYPE_CHECKING:
    from filelock import BaseFileLock
    from typing_extensions import Self

__all__ = ["Entry", "JournalOf", "differing_keys"]


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
        remedy: what to type where the records of another run are in the way.
        elsewhere: what to type where the folder cannot be written.
        rows: what is in the journal, in the order in which it was finished.
        set_aside: numbers of the lines that were damaged when the journal was opened.
        first_steps: what a quantile as `tau` came to when this run began; None where there is none yet.
        versions: of packages when the run began.
        updates: later versions under which records were added: name -> versions, in order.
        updated: packages whose version is not that of the records before: name -> (then, now).

    Raises:
        JournalError: the folder cannot be written, another process writes to it, or it belongs to another experiment.
    """

    file: ClassVar[str]
    remedy: ClassVar[str] = "Give another --run-tag."
    elsewhere: ClassVar[str] = "Type: --output-dir with a folder of your own"

    def __init__(self, folder: FilePath, manifest: Mapping[str, Any], *, retry_failed: bool = False) -> None:
        self.folder = folder
        self.rows: list[EntryT] = []
        self.set_aside: list[int] = []
        self.versions: Mapping[str, str] = manifest.get("versions", {})
        self.updates: dict[str, list[str]] = {}
        self.updated: dict[str, tuple[str, str]] = {}
        self.first_steps: FirstSteps | None = None
        self._retry_failed = retry_failed
        self._manifest = {**manifest, "digest": digest(manifest["experiment"])}
        self._lock: BaseFileLock | None = None
        self._lines: LineFile | None = None

    @abstractmethod
    def entry(self, record: Mapping[str, Any]) -> EntryT:
        """Take out of a record what stays in memory.

        Raises:
            ValueError, KeyError, TypeError: it is no such record.
        """

    @abstractmethod
    def name_of(self, entry: EntryT) -> Hashable:
        """Say what an entry is about; a journal has one for each."""

    def read(self, line: bytes) -> EntryT:
        """Take out of a line what stays in memory.

        Raises:
            ValueError, KeyError, TypeError: it is damaged.
        """
        return self.entry(read_line(line))

    def line(self, record: Mapping[str, Any]) -> bytes:
        """Write a record as a line."""
        return line_of(record)

    def __enter__(self) -> Self:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._take_lock()
            remove_partial_files(self.folder)
            self._check_manifest()
            self._read_back()
            if self._retry_failed and any(row.error for row in self.rows):
                self._drop_failed()
            self._lines = LineFile(self.folder / self.file)
        except OSError as error:
            self._release()
            raise unwritable(self.folder, error, "The run folder", self.elsewhere) from None
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None and self._lines is not None:
                self._lines.check_in_place()
        finally:
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

    @property
    def warnings(self) -> list[str]:
        """What the user must know about how the journal was found."""
        if not self.set_aside:
            return []
        path, aside = self.folder / self.file, self._damaged.name
        if len(self.set_aside) == 1:
            [number] = self.set_aside
            return [f"{path} was damaged in line {number}; it is set aside in {aside}, and its problem is done again."]
        numbers = ", ".join(map(str, self.set_aside[:5])) + (", ..." if len(self.set_aside) > 5 else "")
        return [
            f"{path} was damaged in {len(self.set_aside)} lines ({numbers}); they are set aside in {aside}, and their "
            "problems are done again."
        ]

    def append(self, record: Mapping[str, Any]) -> EntryT:
        """Write one record as a line, and keep its numbers."""
        return self.append_line(self.line(record), self.entry(record))

    def append_line(self, line: bytes, entry: EntryT) -> EntryT:
        """Write what is a record's line already, and keep its numbers.

        Raises:
            JournalError: it cannot be written, or the run folder is no longer there.
        """
        assert self._lines is not None, "the journal is not open"
        if self.updated:
            self._keep_updates()
        self._lines.append(line)
        self.rows.append(entry)
        return entry

    def check_in_place(self) -> None:
        """See that all records are still where they were written.

        Raises:
            JournalError: the run folder was deleted or replaced.
        """
        assert self._lines is not None, "the journal is not open"
        self._lines.check_in_place()

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
            stored = from_json(path.read_bytes())
        except (OSError, ValueError) as error:
            raise unwritable(path, error) from None
        _replace(path, {**stored, key: value})

    def _take_lock(self) -> None:
        from filelock import FileLock, Timeout

        self._lock = FileLock(self.folder / ".lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            self._lock = None
            raise JournalError(
                f"Another process is writing to {str(self.folder)!r}.",
                f"Wait for it, or {self.remedy[0].lower()}{self.remedy[1:]}",
            ) from None

    def _check_manifest(self) -> None:
        path = self.folder / "manifest.json"
        if not path.exists():
            if (self.folder / self.file).exists():
                raise JournalError(
                    f"{str(self.folder)!r} holds {self.file} but no manifest.json; it is no run folder.",
                    self.remedy,
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
            earlier = from_json(path.read_bytes())
            found, self.versions, self.updates = earlier["experiment"], earlier["versions"], earlier.get("updates", {})
            if not all(isinstance(each, dict) for each in (found, self.versions, self.updates)):
                raise TypeError
            if not all(isinstance(later, list) and later for later in self.updates.values()):
                raise TypeError
            if "first_steps" in earlier:
                self.first_steps = FirstSteps.of(earlier["first_steps"])
        except (ValueError, KeyError, TypeError):
            raise JournalError(f"{str(path)!r} is damaged.", self.remedy) from None
        return cast("Mapping[str, Any]", found)

    def _refuse(self, found: Mapping[str, Any], keys: Sequence[str]) -> NoReturn:
        if "search_rules" in keys and (changed := rules_changed(found)):
            raise JournalError(
                f"The run folder {str(self.folder)!r} was begun under other search rules; since then "
                f"{changed}. Its results stay readable, and nothing was changed.",
                f"Give another --run-tag; for its tables type: tt-scale compare {self.folder}",
            )
        own = [key for key in keys if key != "search_rules"]  # which follow from the others where they are in force
        told = "; ".join(
            [f"{key}: {found.get(key)!r} there, {self._manifest['experiment'].get(key)!r} here" for key in own]
        )
        hint = f"{self.remedy.rstrip('.')}, or the configuration of that run."
        if keys == ["dtype"]:  # which another machine may have chosen
            hint = f"To go on with it, type: --dtype {found.get('dtype')}"
        raise JournalError(
            f"The run folder {str(self.folder)!r} belongs to another configuration ({told}). Nothing was changed.", hint
        )

    def _holds_records(self) -> bool:
        path = self.folder / self.file
        return path.exists() and path.stat().st_size > 0

    @property
    def _damaged(self) -> FilePath:
        path = self.folder / self.file
        return path.with_name(f"{path.stem}.damaged{path.suffix}")

    def _read_back(self) -> None:
        """Read what is done; a torn last line is cut off and damaged ones are set aside, to be done again."""
        path = self.folder / self.file
        if not path.exists():
            return
        whole = 0
        known: set[Hashable] = set()
        with path.open("rb") as lines, _no_collection():
            for number, line in enumerate(lines, 1):
                if not line.endswith(b"\n"):
                    break
                whole += len(line)
                self._take(number, line, known)
        if whole < path.stat().st_size:
            os.truncate(path, whole)
        if self.set_aside:
            self._set_aside(path)

    def _take(self, number: int, line: bytes, known: set[Hashable]) -> None:
        try:
            entry = self.read(line)
            name = self.name_of(entry)
        except NO_RECORD:
            self.set_aside.append(number)
            return
        if name in known:
            raise JournalError(
                f"{self.folder / self.file} holds {name} a second time, in line {number}.",
                f"Take the line out, or {self.remedy[0].lower()}{self.remedy[1:]}",
            )
        known.add(name)
        self.rows.append(entry)

    def _set_aside(self, path: FilePath) -> None:
        """Move damaged lines to a file of their own."""
        damaged = set(self.set_aside)
        with path.open("rb") as lines, self._damaged.open("ab") as aside:
            aside.writelines([line for number, line in enumerate(lines, 1) if number in damaged])
        self._keep_lines([number not in damaged for number in range(1, len(damaged) + len(self.rows) + 1)])

    def _drop_failed(self) -> None:
        self._keep_lines([not row.error for row in self.rows])
        self.rows = [row for row in self.rows if not row.error]

    def _keep_lines(self, keep: Sequence[bool]) -> None:
        """Write the journal anew with some of its lines."""
        path = self.folder / self.file
        with path.open("rb") as lines, replacing(path, "wb") as kept:
            kept.writelines(line for line, wanted in zip(lines, keep, strict=True) if wanted)

    def _release(self) -> None:
        if self._lines is not None:
            self._lines.close()
            self._lines = None
        if self._lock is not None:
            with suppress(OSError):
                self._lock.release()
            self._lock = None


@contextmanager
def _no_collection() -> Iterator[None]:
    """Make many objects, none of which is garbage, without looking through all of them again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _replace(path: FilePath, manifest: Mapping[str, Any]) -> None:
    """Write a manifest whole or not at all."""
    try:
        with replacing(path) as file:
            file.write(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
    except OSError as error:
        raise unwritable(path, error) from None


def differing_keys(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The keys in which two experiments differ, sorted."""
    return sorted([key for key in one.keys() | other.keys() if one.get(key) != other.get(key)])
