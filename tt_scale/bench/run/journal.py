"""The journal of searches over a problem set: `problems.jsonl` in a run folder."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any, TypeVar

from tt_scale.bench.format.lines import NO_RECORD, DamagedLineError, read_line
from tt_scale.bench.format.record_types import head_of
from tt_scale.bench.record import Row, line_of_record
from tt_scale.bench.run.run_folder import Entry, JournalOf, differing_keys
from tt_scale.core.records import Problem
from tt_scale.errors import JournalError

__all__ = ["Entry", "Journal", "JournalOf", "differing_keys", "read_records", "read_rows"]

Read = TypeVar("Read")


class Journal(JournalOf[Row]):
    """The journal of a search over many problems.

    Args:
        folder: as in `JournalOf`.
        manifest: likewise.
        problems: of the run; a record of any other is damaged. Empty where nobody knows them.
        repeats: of each problem.
        retry_failed: as in `JournalOf`.
    """

    file = "problems.jsonl"

    def __init__(
        self,
        folder: FilePath,
        manifest: Mapping[str, Any],
        problems: Sequence[Problem] = (),
        repeats: int = 1,
        *,
        retry_failed: bool = False,
    ) -> None:
        super().__init__(folder, manifest, retry_failed=retry_failed)
        self._problems = problems
        self._repeats = repeats

    def read(self, line: bytes) -> Row:
        """Take the numbers; of a line with a checksum only what stands before the pool is looked at."""
        head = head_of(line)
        if self._problems:
            self._check_known(head)
        return Row.of(head)

    def entry(self, record: Mapping[str, Any]) -> Row:
        """Take the numbers."""
        return Row.of(record)

    def line(self, record: Mapping[str, Any]) -> bytes:
        """Write a record as a line, tree and tape packed."""
        return line_of_record(record)

    def name_of(self, entry: Row) -> Hashable:
        """Problem and repeat."""
        return entry.id, entry.repeat

    def done(self) -> set[tuple[str, int]]:
        """(problem id, repeat) of what need not be run again."""
        return {(row.id, row.repeat) for row in self.rows}

    def _check_known(self, head: dict[str, Any]) -> None:
        """See that a record is of a problem of the run, and let both share their texts.

        Raises:
            ValueError, IndexError: it is not.
        """
        problem = self._problems[head["index"]]
        told = (head["id"], head["level"], head["subject"], head["question"], head["gold"])
        own = (problem.id, problem.level, problem.subject, problem.question, problem.answer)
        if told != own or head["repeat"] >= self._repeats:
            raise DamagedLineError("it is of no problem of this run")
        head["id"], head["gold"] = problem.id, problem.answer


def read_records(folder: FilePath) -> Iterator[dict[str, Any]]:
    """Read the records of a run one at a time, a torn last line left out; `unpack` gives a record its tree and tape.

    Raises:
        JournalError: there is no journal, or a line of it is damaged.
    """
    return _of_lines(folder, read_line)


def read_rows(folder: FilePath) -> Iterator[Row]:
    """Read the numbers of the records of a run one at a time; errors as in `read_records`."""
    return _of_lines(folder, lambda line: Row.of(head_of(line)))


def _of_lines(folder: FilePath, read: Callable[[bytes], Read]) -> Iterator[Read]:
    path = folder / "problems.jsonl"
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.endswith(b"\n"):
                    yield _or_refused(path, number, line, read)
    except FileNotFoundError:
        raise JournalError(f"{str(folder)!r} holds no problems.jsonl.", "Name the folder of a run.") from None


def _or_refused(path: FilePath, number: int, line: bytes, read: Callable[[bytes], Read]) -> Read:
    try:
        return read(line)
    except NO_RECORD as error:
        reason = f": {error}" if isinstance(error, DamagedLineError) else ""
        raise JournalError(
            f"{path} is damaged in line {number}{reason}.",
            "Give the command of the run again: the line is set aside and its problem searched again.",
        ) from None
