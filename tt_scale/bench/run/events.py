"""What a command reports while it works: a few frozen events, and the protocol of whoever listens.

The engine prints nothing. It calls a reporter with each event, in its event loop and in this order, where any may be
missing and models may load more than once:

    Warned*  Resumed  Warned*  LoadingStarted  LoadingEnded
    RunsPlanned  (RunStarted  (SearchStarted | RunAdvanced)*  RunEnded)*
    Compared*

A reporter is any function of one event. `report/console_reporter.py` prints, `report/event_file.py` writes a file;
several listen at a time by `to_all`. A reporter returns soon, since searches wait for it; what it raises ends the
command. Results are no events: a command returns them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from tt_scale.bench.record import Row

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "Compared",
    "Event",
    "LoadingEnded",
    "LoadingStarted",
    "Reporter",
    "Resumed",
    "RunAdvanced",
    "RunCounter",
    "RunEnded",
    "RunProgress",
    "RunStarted",
    "RunsPlanned",
    "SearchStarted",
    "Warned",
    "loading",
    "silent",
    "to_all",
]


@dataclass(frozen=True, slots=True)
class Warned:
    """Something runs but is probably not meant.

    Attributes:
        text: a sentence.
    """

    text: str


@dataclass(frozen=True, slots=True)
class Resumed:
    """A previous run segment has done a part.

    Attributes:
        done: finished pieces, at least 1.
        unit: what is counted: "searches" or "solutions".
        total: pieces in all; None where that is not known yet.
    """

    done: int
    unit: str
    total: int | None = None


@dataclass(frozen=True, slots=True)
class LoadingStarted:
    """Models begin to load.

    Attributes:
        models: their names, as people read them.
    """

    models: str


@dataclass(frozen=True, slots=True)
class LoadingEnded:
    """Models are loaded, or failed to.

    Attributes:
        models: as of `LoadingStarted`.
        seconds: that it took, at least 0.
        loaded: False where an error ended it.
    """

    models: str
    seconds: float
    loaded: bool


@dataclass(frozen=True, slots=True)
class RunProgress:
    """A counted piece of work: the searches of a run, or the sampling or scoring of a set of solutions.

    Attributes:
        label: problem set and method: "gsm8k dvts".
        total: pieces in all.
        done: finished pieces, those of previous run segments included.
        correct: right answers among them; None where answers are not graded.
        unit: what is counted: "searches", "problems" or "solutions".
        at_once: pieces that are in flight at a time, at least 1.
        folder: of its records; empty where there is none.
    """

    label: str
    total: int
    done: int = 0
    correct: int | None = None
    unit: str = "searches"
    at_once: int = 1
    folder: str = ""


@dataclass(frozen=True, slots=True)
class RunsPlanned:
    """Several runs are about to be done, one after the other or all at a time.

    Attributes:
        pieces: that each has to do, runs without any left out; one sum where runs are interleaved [runs].
        at_once: pieces that are in flight at a time, at least 1.
        runs: every run as previous run segments left it, those without any left too [runs].
        rows: of those segments [runs][rows].
    """

    pieces: tuple[int, ...]
    at_once: int
    runs: tuple[RunProgress, ...] = ()
    rows: tuple[tuple[Row, ...], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The first piece is about to begin.

    Attributes:
        run: as previous run segments left it.
    """

    run: RunProgress


@dataclass(frozen=True, slots=True)
class SearchStarted:
    """A search is in flight from now on; not reported of searches in other processes.

    Attributes:
        label: of its run.
        id: of the problem.
        repeat: from 0.
    """

    label: str
    id: str
    repeat: int


@dataclass(frozen=True, slots=True)
class RunAdvanced:
    """One more piece is finished.

    Attributes:
        run: with this piece counted.
        row: the numbers of the search; None where the piece is none.
        label: of the run that the search belongs to; another than that of `run` where several are interleaved.
    """

    run: RunProgress
    row: Row | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The run is finished, or an error or the user ended it.

    Attributes:
        run: as it is now; finished where `done` is `total`.
        seconds: since `RunStarted`, at least 0.
    """

    run: RunProgress
    seconds: float


@dataclass(frozen=True, slots=True)
class Compared:
    """Runs over one problem set are compared.

    Attributes:
        dataset: the problem set.
        done: searches that every run has finished, at least 1.
        total: searches of each run.
        derived: labels of runs that were not searched but read off the pool of a wider one.
    """

    dataset: str
    done: int
    total: int
    derived: tuple[str, ...] = ()


Event = (
    Warned
    | Resumed
    | LoadingStarted
    | LoadingEnded
    | RunsPlanned
    | RunStarted
    | SearchStarted
    | RunAdvanced
    | RunEnded
    | Compared
)


class Reporter(Protocol):
    """Whoever listens."""

    def __call__(self, event: Event, /) -> None:
        """Take in one event."""


def silent(event: Event, /) -> None:
    """Take in an event and do nothing: the reporter where none is given."""


def to_all(*reporters: Reporter) -> Reporter:
    """Make one reporter that passes each event to several, in their order."""

    def report(event: Event, /) -> None:
        for reporter in reporters:
            reporter(event)

    return report


@contextmanager
def loading(report: Reporter, models: str) -> Iterator[None]:
    """Report that models load within the block; empty `models` reports nothing."""
    if not models:
        yield
        return
    began, loaded = time.monotonic(), False
    report(LoadingStarted(models))
    try:
        yield
        loaded = True
    finally:
        report(LoadingEnded(models, time.monotonic() - began, loaded))


class RunCounter:
    """Count the finished pieces of a run within the block, and report its start, each piece and its end.

    Args:
        report: is told.
        run: as previous run segments left it.
    """

    def __init__(self, report: Reporter, run: RunProgress) -> None:
        self._report = report
        self._run = run
        self._began = 0.0

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        self._report(RunStarted(self._run))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._report(RunEnded(self._run, time.monotonic() - self._began))

    def begin(self, problem: str, repeat: int, label: str = "") -> None:
        """Report that a search begins.

        Args:
            problem: its id.
            repeat: from 0.
            label: of its run, where several are interleaved.
        """
        self._report(SearchStarted(label or self._run.label, problem, repeat))

    def one_more(self, row: Row | None = None, label: str = "") -> None:
        """Count one more finished piece.

        Args:
            row: of a search.
            label: of its run, where several are interleaved.
        """
        run = self._run
        correct = run.correct if row is None or run.correct is None else run.correct + row.correct
        self._run = replace(run, done=run.done + 1, correct=correct)
        self._report(RunAdvanced(self._run, row, label or run.label))
