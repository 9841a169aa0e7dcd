"""What stays in memory of one record: the numbers that tables and paired statistics need, without a dict for each."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from tt_scale.core.budget import Usage
from tt_scale.grading import Grade

__all__ = ["Counts", "Row", "Search", "Verdicts"]

Search = tuple[str, int]
"""Problem id and repeat."""

Shape = tuple[tuple[str, tuple[int, ...]], ...]
"""Selectors and the pool sizes of each."""


class Counts(Mapping[str, int]):
    """Counts by name; rows of one kind share the names.

    Args:
        counts: by name, each in the range of 64 bits.
    """

    __slots__ = ("_names", "_values")

    def __init__(self, counts: Mapping[str, int]) -> None:
        self._names: tuple[str, ...] = _shared(tuple(counts))
        try:
            packed = array("H", counts.values())
        except OverflowError:
            packed = array("q", counts.values())
        self._values = packed.tobytes()  # takes half the memory of an array

    def __getitem__(self, name: str) -> int:
        if name not in self._names:
            raise KeyError(name)
        wide = len(self._values) > 2 * len(self._names)
        return int(memoryview(self._values).cast("q" if wide else "H")[self._names.index(name)])

    def get(self, name: str, default: Any = None) -> Any:
        """Give a count, or `default` where there is none of that name."""
        return self[name] if name in self._names else default

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return repr(dict(self))


class Verdicts(Mapping[str, Mapping[int, bool]]):
    """Selector -> pool size -> whether its answer is right, as bits; rows of equal pools share selectors and sizes.

    Args:
        grades: selector -> pool size, written out -> grade, as a record has them.
    """

    __slots__ = ("_bits", "_shape")

    def __init__(self, grades: Mapping[str, Mapping[str, str]]) -> None:
        self._shape: Shape = _shape(tuple([(selector, tuple(sizes)) for selector, sizes in grades.items()]))
        bits, place = 0, 1
        for sizes in grades.values():
            for grade in sizes.values():
                if grade == "correct":
                    bits |= place
                place <<= 1
        self._bits = bits

    def __getitem__(self, selector: str) -> Mapping[int, bool]:
        place = 0
        for name, sizes in self._shape:
            if name == selector:
                return {size: bool(self._bits >> place + offset & 1) for offset, size in enumerate(sizes)}
            place += len(sizes)
        raise KeyError(selector)

    def __iter__(self) -> Iterator[str]:
        return iter([selector for selector, _ in self._shape])

    def __len__(self) -> int:
        return len(self._shape)

    def __repr__(self) -> str:
        return repr(dict(self))


@lru_cache(maxsize=4096)
def _shared(names: tuple[str, ...]) -> tuple[str, ...]:
    """Give one object for all equal ones."""
    return names


@lru_cache(maxsize=4096)
def _shape(written: tuple[tuple[str, tuple[str, ...]], ...]) -> Shape:
    """Read pool sizes, once for all rows that have the same."""
    return tuple([(selector, tuple(map(int, sizes))) for selector, sizes in written])


NO_VERDICTS = Verdicts({})
"""One for all rows that have none."""


@dataclass(frozen=True, slots=True)
class Row:
    """The numbers of one record; all that stays in memory.

    Attributes:
        index: of the problem in its set, from 0.
        id: of the problem.
        repeat: from 0.
        level: of the problem, if it has one.
        grade: of the method's own answer; a failed problem has "no_answer" and an error.
        answer: the method's own answer.
        gold: the gold answer.
        usage: what was spent.
        telemetry: counts of what happened: steps, judged, passed, retries, backtracks, recovered, jumps, nodes, pool,
            truncated, cut, forced, unreadable, failed, wasted_tokens; wasted_tokens alone where the problem failed.
        selectors: selector -> pool size -> whether its answer is right.
        stopped: why the search ended.
        error: empty where nothing failed.
        right: how many members of the pool have a right answer.
        source_grade: verdict of the source of recorded samples on the method's own answer; None where it gives none.
        source_selectors: as `selectors`, by the verdicts of that source; empty where it gives none.
        generator_seconds: wall time in which at least one call of the generator was in flight; None where it is not
            recorded: by earlier versions, and of searches that were derived from others.
        prm_seconds: the same of the PRM; None also without one.
        grading_seconds: wall time from the end of the search until its answers were graded, the wait for a grading
            worker included; None also where the search failed.
    """

    index: int
    id: str
    repeat: int
    level: int | None
    grade: Grade
    answer: str | None
    gold: str
    usage: Usage
    telemetry: Mapping[str, int]
    selectors: Mapping[str, Mapping[int, bool]]
    stopped: str
    error: str
    right: int = 0
    source_grade: Grade | None = None
    source_selectors: Mapping[str, Mapping[int, bool]] = field(default_factory=lambda: NO_VERDICTS)
    generator_seconds: float | None = None
    prm_seconds: float | None = None
    grading_seconds: float | None = None

    @property
    def correct(self) -> bool:
        """Whether it counts as right."""
        return self.grade == "correct"

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Row:
        """Take the numbers out of a record; what is not in them, tree, tape and events, may be missing.

        Raises:
            KeyError, TypeError, ValueError: it is no record of a search.
        """
        source = record.get("source")
        right = record.get("right")
        if right is None:  # records of the first format count them by their pool alone
            right = sum([member["grade"] == "correct" for member in record["pool"]])
        return cls(
            index=record["index"],
            id=record["id"],
            repeat=record["repeat"],
            level=record["level"],
            grade=record["grade"],
            answer=record["answer"],
            gold=record["gold"],
            usage=Usage(**record["usage"]),
            telemetry=Counts(record["telemetry"]),
            selectors=Verdicts(record["selectors"]),
            stopped=record["stopped"],
            error=record["error"],
            right=right,
            source_grade=source["grade"] if source else None,
            source_selectors=Verdicts(source["selectors"]) if source else NO_VERDICTS,
            generator_seconds=record.get("generator_seconds"),
            prm_seconds=record.get("prm_seconds"),
            grading_seconds=record.get("grading_seconds"),
        )
