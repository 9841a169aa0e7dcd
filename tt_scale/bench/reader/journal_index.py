"""The numbers of every line of a journal, and where each line stands; read while a run may still be writing."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path as FilePath

from tt_scale.bench.format.lines import NO_RECORD, OPENING, record_of
from tt_scale.bench.format.record_types import head_of
from tt_scale.bench.reader.search_record import checked_row
from tt_scale.bench.rows import Row, Search
from tt_scale.errors import JournalError

__all__ = ["DamagedLine", "JournalIndex", "ProblemRecord", "reason_of", "unreadable"]

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
class ProblemRecord:
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
class JournalIndex:
    """The numbers of a journal.

    Attributes:
        rows: of each search, in the order of the lines.
        problems: by id.
        damaged: lines that were left out.
        places: byte at which the line of each search begins.
    """

    rows: list[Row] = field(default_factory=list)
    problems: dict[str, ProblemRecord] = field(default_factory=dict)
    damaged: list[DamagedLine] = field(default_factory=list)
    places: dict[Search, int] = field(default_factory=dict)

    @classmethod
    def of(cls, path: FilePath) -> JournalIndex:
        """Read a file; empty where there is none yet.

        Raises:
            JournalError: the file cannot be read, or a later version wrote it.
        """
        index = cls()
        try:
            with path.open("rb") as lines:
                place = 0
                for number, line in enumerate(lines, 1):
                    if line.endswith(b"\n"):  # else it is being written
                        index._take(number, line, place)
                    place += len(line)
        except FileNotFoundError:
            return index
        except OSError as error:
            raise unreadable(path, error) from None
        return index

    def _take(self, number: int, line: bytes, place: int) -> None:
        try:
            if line.startswith(OPENING):
                head = head_of(line)
                row = Row.of(head)
            else:
                head = record_of(line)
                row = checked_row(head)
            search = (row.id, row.repeat)
            if search in self.places:
                raise ValueError(f"{row.id!r} stands in an earlier line")
            problem = ProblemRecord(row.index, row.id, row.level, head.get("subject"), str(head["question"]), row.gold)
        except NO_RECORD as error:
            self.damaged.append(DamagedLine(number, reason_of(error)))
            return
        self.rows.append(row)
        self.problems.setdefault(row.id, problem)
        self.places[search] = place


def unreadable(path: FilePath, error: OSError) -> JournalError:
    """Say that a file cannot be read."""
    return JournalError(f"{str(path)!r} cannot be read: {error.strerror or error}.")


def reason_of(error: BaseException) -> str:
    """Say what is wrong with a record, shortly."""
    if isinstance(error, KeyError):
        return f"{error.args[0]!r} is missing"
    return " ".join(str(error).split())[:LONGEST_REASON] or type(error).__name__
