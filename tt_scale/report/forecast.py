"""Estimate the remaining time of one run and of all runs of a command from the pace so far."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Forecast", "TimeLeft", "duration"]


@dataclass(frozen=True, slots=True)
class TimeLeft:
    """Estimate of the remaining time.

    Attributes:
        run: seconds until the current run ends.
        command: seconds until the last run ends; None if the current run is the last.
    """

    run: float
    command: float | None


class Forecast:
    """Counts finished tasks of consecutive runs; the clock runs only during a run.

    Tasks in progress count half: with 64 at a time, much work is done before the first one finishes. Future runs are
    assumed to be as fast as past ones.

    Args:
        pieces: remaining tasks of each run, without runs that have none [runs].
        at_once: tasks in progress at a time, at least 1.
    """

    def __init__(self, pieces: Sequence[int], at_once: int = 1) -> None:
        self._waiting = list(pieces)
        self._at_once = at_once
        self._pieces = self._done = 0
        self._began = time.monotonic()
        self._past = (0.0, 0.0)  # seconds and pieces of runs that have ended

    def begin(self) -> None:
        """Start the clock of the next run."""
        self._end()
        self._pieces, self._done = (self._waiting.pop(0) if self._waiting else 0), 0
        self._began = time.monotonic()

    def more(self) -> None:
        """Count a finished task."""
        self._done += 1

    @property
    def expects_a_run(self) -> bool:
        """Whether a run has not started yet."""
        return bool(self._waiting)

    @property
    def elapsed(self) -> float:
        """Seconds since the current run started."""
        return time.monotonic() - self._began

    def left(self) -> TimeLeft | None:
        """Estimate the remaining time; None before the first task is finished."""
        elapsed, rest = self.elapsed, self._pieces - self._done
        seconds, pieces = self._past
        if self._done:
            done = self._done + max(0, min(rest, self._at_once) - 1) / 2
            run = elapsed / done * (self._pieces - done) if rest else 0.0
            seconds, pieces = seconds + elapsed, pieces + done
        elif pieces:
            run = max(0.0, seconds / pieces * self._pieces - elapsed)
        else:
            return None
        return TimeLeft(run, run + seconds / pieces * sum(self._waiting) if self._waiting else None)

    def _end(self) -> None:
        if self._done:
            self._past = self._past[0] + self.elapsed, self._past[1] + self._done


def duration(seconds: float) -> str:
    """Format a duration: "45 s", "3 min 10 s", "2 h 05 min"."""
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
