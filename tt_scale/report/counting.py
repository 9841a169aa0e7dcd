"""How far a long piece of work is: a live line on a terminal, now and then a plain one elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from tt_scale.report.forecast import Forecast, duration
from tt_scale.report.status_line import Part, StatusLine, clock

if TYPE_CHECKING:
    from rich.console import Console
    from typing_extensions import Self

__all__ = ["Counting"]

FIRST_SECONDS = 5.0
"""Off a terminal, the first line comes with the first estimate after this time, or after `quiet_seconds` if less."""


class Counting:
    """Counts finished pieces, with a closing line; its clock starts when it is entered.

    Args:
        console: where to show it.
        label: what runs.
        total: pieces in all.
        unit: what is counted.
        done: how many of them an earlier run did.
        at_once: pieces that are under way at a time, at least 1.
        forecast: of the command that this is a part of; None where it is all of it.
        quiet_seconds: off a terminal, the least time between two lines.
    """

    def __init__(
        self,
        console: Console,
        label: str,
        total: int,
        *,
        unit: str = "",
        done: int = 0,
        at_once: int = 1,
        forecast: Forecast | None = None,
        quiet_seconds: float = 15.0,
    ) -> None:
        from rich.live import Live

        self._console = console
        self._label, self._unit = label, unit
        self._total, self._done = total, done
        self._forecast = forecast or Forecast([total - done], at_once)
        self._quiet_seconds = quiet_seconds
        self._next_line = min(FIRST_SECONDS, quiet_seconds)
        line = StatusLine(label, self._share, self._parts)
        self._live = Live(line, console=console, transient=True) if console.is_terminal else None

    def __enter__(self) -> Self:
        self._forecast.begin()
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()
        self._say(f"{self._forecast.elapsed:.1f} s")

    def more(self) -> None:
        """One more is done."""
        self._done += 1
        self._forecast.more()
        left = self._forecast.left()
        if self._live or left is None or self._done == self._total or self._forecast.elapsed < self._next_line:
            return
        self._next_line = self._forecast.elapsed + self._quiet_seconds
        rest = "" if left.command is None else f", all runs {duration(left.command)}"
        self._say(f"{duration(left.run)} left{rest}")

    def _say(self, tail: str) -> None:
        """Print a line of text; on a terminal it is fitted, elsewhere never broken."""
        parts = [f"{self._done}/{self._total}", *[part.text for part in self._numbers() if part.text], tail]
        if self._console.is_terminal:
            line = StatusLine(self._label, None, lambda: [Part(text) for text in parts])
            self._console.print(line.fitted(self._console.width))
        else:
            self._console.print("  ".join([self._label, *parts]), markup=False, highlight=False, soft_wrap=True)

    def _share(self) -> float:
        return self._done / self._total if self._total else 1.0

    def _parts(self) -> list[Part]:
        """What the live line shows: the count, the time left, the numbers, the time that has passed."""
        left = self._forecast.left()
        told = (
            Part("-:-- left", "left -:--")
            if left is None
            else Part(f"{clock(left.run)} left", f"left {clock(left.run)}")
        )
        if left is not None and left.command is not None:
            whole = clock(left.command)
            told = Part(f"{told.text}, all runs {whole}", f"{told.short} all {whole}")
        count, passed = Part(f"{self._done}/{self._total}"), Part(clock(self._forecast.elapsed))
        return [count, told, *[part for part in self._numbers() if part.text], passed]

    def _numbers(self) -> list[Part]:
        """What stands behind the count."""
        return [Part(self._unit)]
