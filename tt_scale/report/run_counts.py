"""Running counts of each run: finished searches, accuracy, speed, searches in flight."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from tt_scale.bench.record import Row
from tt_scale.bench.run.events import (
    Event,
    RunAdvanced,
    RunEnded,
    RunProgress,
    RunsPlanned,
    RunStarted,
    SearchStarted,
)
from tt_scale.bench.stats.intervals import mean_interval
from tt_scale.core.budget import Usage

__all__ = ["RunCounts", "RunCountsByLabel"]


@dataclass
class RunCounts:
    """Counts of one run, updated by its events.

    Attributes:
        label: problem set and method.
        total: searches in all.
        folder: folder of its records; empty if there is none.
        done: finished searches, those of previous run segments included.
        correct: right answers among them.
        in_flight: searches that started and have not ended.
        usage: total usage of the searches of this run segment.
        searched: number of these searches.
        began: time of the monotonic clock at which this segment began; None before.
        ended: likewise; None before.
    """

    label: str
    total: int
    folder: str = ""
    done: int = 0
    correct: int = 0
    in_flight: int = 0
    usage: Usage = field(default_factory=Usage)
    searched: int = 0
    began: float | None = None
    ended: float | None = None
    _outcomes: dict[str, list[bool]] = field(default_factory=dict, repr=False)
    _interval: tuple[int, tuple[float, float]] = field(default=(0, (0.0, 1.0)), repr=False)

    @property
    def accuracy(self) -> float | None:
        """Share of right answers; None before the first."""
        return self.correct / self.done if self.done else None

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the accuracy over randomly drawn problems; cached per count."""
        if self._interval[0] != self.done:
            shares = [sum(each) / len(each) for each in self._outcomes.values()]
            self._interval = (self.done, mean_interval(shares))
        return self._interval[1]

    @property
    def seconds(self) -> float:
        """Seconds since this segment began, at most until its end."""
        if self.began is None:
            return 0.0
        return (time.monotonic() if self.ended is None else self.ended) - self.began

    @property
    def speed(self) -> float | None:
        """Generated tokens per second; None before the first search ended, and where tokens are unknown."""
        tokens = self.usage.counted_tokens
        return tokens / self.seconds if self.searched and self.seconds and tokens is not None else None

    @property
    def cached(self) -> float | None:
        """Share of prompt tokens from the prefix cache; None if no prompt tokens were counted."""
        return self.usage.cached_prompt_tokens / self.usage.prompt_tokens if self.usage.prompt_tokens else None

    def count(self, row: Row) -> None:
        """Count a finished search, of this segment or of one before."""
        self.done += 1
        self.correct += row.correct
        self._outcomes.setdefault(row.id, []).append(row.correct)

    def advance(self, row: Row) -> None:
        """Count a search that ended just now."""
        self.count(row)
        self.in_flight = max(self.in_flight - 1, 0)
        self.searched += 1
        self.usage = self.usage + row.usage


class RunCountsByLabel:
    """Reporter that keeps the counts of all runs of a command, in order."""

    def __init__(self) -> None:
        self._runs: dict[str, RunCounts] = {}
        self._current: Sequence[RunCounts] = ()

    def __call__(self, event: Event, /) -> None:
        """Update the counts with an event."""
        match event:
            case RunsPlanned():
                for run, rows in zip(event.runs, event.rows, strict=True):
                    self._plan(run, rows)
            case RunStarted(run=run):
                self._begin(run)
            case SearchStarted(label=label) if label in self._runs:
                self._runs[label].in_flight += 1
            case RunAdvanced(row=row, label=label) if row is not None and label in self._runs:
                self._runs[label].advance(row)
            case RunEnded():
                self._end()

    def __iter__(self) -> Iterator[RunCounts]:
        return iter(self._runs.values())

    def __getitem__(self, label: str) -> RunCounts:
        return self._runs[label]

    @property
    def current(self) -> Sequence[RunCounts]:
        """The current runs: one, or all unfinished ones if they are interleaved."""
        return self._current

    def _plan(self, run: RunProgress, rows: Iterable[Row]) -> None:
        counts = RunCounts(run.label, run.total, run.folder)
        for row in rows:
            counts.count(row)
        self._runs[run.label] = counts

    def _begin(self, run: RunProgress) -> None:
        now = time.monotonic()
        own = self._runs.get(run.label)
        self._current = [own] if own is not None else [each for each in self if each.done < each.total]
        for each in self._current:
            each.began, each.ended, each.in_flight = now if each.began is None else each.began, None, 0

    def _end(self) -> None:
        for each in self._current:
            each.ended, each.in_flight = time.monotonic(), 0
        self._current = ()
