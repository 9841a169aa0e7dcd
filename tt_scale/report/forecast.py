"""How much longer it takes, from the pace so far: one run, and all runs of a command."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Forecast", "TimeLeft", "duration"]


@dataclass(frozen=True, slots=True)
class TimeLeft:
    """An estimate.

    Attributes:
        run: seconds until the present run ends.
        command: seconds until the last one does; None where the present run is the last.
    """

    run: float
    command: float | None


class Forecast:
    """Counts finished pieces of several runs that follow one another; its clock runs while a run does.

    Pieces that are under way count by half: with 64 at a time, the first one is finished when much is done. Runs that
    have not begun are taken to be as fast as those before.

    Args:
        pieces: that each run still has to do [runs], those without any left out.
        at_once: pieces that are under way at a time, at least 1.
    """

    def __init__(self, pieces: Sequence[int], at_once: int = 1) -> None:
        self._waiting = list(pieces)
        self._at_once = at_once
        self._pieces = self._done = 0
        self._began = time.monotonic()
        self._past = (0.0, 0.0)  # seconds and pieces of runs that have ended

    def begin(self) -> None:
        """The next run begins now."""
        self._end()
        self._pieces, self._done = (self._waiting.pop(0) if self._waiting else 0), 0
        self._began = time.monotonic()

    def more(self) -> None:
        """One more piece is done."""
        self._done += 1

    @property
    def expects_a_run(self) -> bool:
        """Whether a run has yet to begin."""
        return bool(self._waiting)

    @property
    def elapsed(self) -> float:
        """Seconds since the present run began."""
        return time.monotonic() - self._began

    def left(self) -> TimeLeft | None:
        """Estimate the time left; None before the very first piece is done."""
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
    """Write a time for people: "45 s", "3 min 10 s", "2 h 05 min"."""
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
