"""Progress of a run: a live line on a terminal, periodic plain lines elsewhere, and a final line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from tt_scale.bench.record import Row
from tt_scale.bench.run.events import RunProgress
from tt_scale.core.budget import Usage
from tt_scale.report.cells import tokens_text
from tt_scale.report.forecast import Forecast, duration
from tt_scale.report.status_line import Part, StatusLine, clock

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Progress"]

FIRST_SECONDS = 5.0
"""Without a terminal, seconds before the first line, which needs an estimate; at most `quiet_seconds`."""


class Progress:
    """Shows the progress of one run: finished tasks, accuracy, tokens per second, cache hits, remaining time.

    Args:
        console: the console to print on.
        run: state of the run after previous run segments.
        verbose: print a line for each search.
        forecast: forecast of the whole command; None if this run is its only one.
        quiet_seconds: without a terminal, minimum seconds between two lines.
        live: draw the live line on a terminal; False where something else draws it.

    Attributes:
        forecast: of the remaining time.
        line: the live line.
    """

    def __init__(
        self,
        console: Console,
        run: RunProgress,
        *,
        verbose: bool = False,
        forecast: Forecast | None = None,
        quiet_seconds: float = 15.0,
        live: bool = True,
    ) -> None:
        from rich.live import Live

        self._console = console
        self._run = run
        self._verbose = verbose
        self.forecast = forecast or Forecast([run.total - run.done], run.at_once)
        self._quiet_seconds = quiet_seconds
        self._next_line = min(FIRST_SECONDS, quiet_seconds)
        self._usage = Usage()
        self.line = StatusLine(run.label, self._share, self._parts)
        self._live = Live(self.line, console=console, transient=True) if console.is_terminal and live else None

    def start(self) -> None:
        """Start the clock."""
        self.forecast.begin()
        if self._live:
            self._live.start()

    def advance(self, run: RunProgress, row: Row | None) -> None:
        """Update the progress with a finished task and the row of its search."""
        self._run = run
        if row is not None:
            self._usage.charge(row.usage)
            if self._verbose:
                self._console.print(_line_of(row), markup=False, highlight=False)
        self.forecast.more()
        left = self.forecast.left()
        if left is None or not self._is_due:
            return
        self._next_line = self.forecast.elapsed + self._quiet_seconds
        rest = "" if left.command is None else f", all runs {duration(left.command)}"
        self._say(f"{duration(left.run)} left{rest}")

    @property
    def _is_due(self) -> bool:
        """Whether a log file gets a line now."""
        unfinished = self._run.done < self._run.total
        return unfinished and not self._console.is_terminal and self.forecast.elapsed >= self._next_line

    def end(self) -> None:
        """Remove the live line, and print the final line."""
        if self._live:
            self._live.stop()
        self.closing()()

    def closing(self) -> Callable[[], None]:
        """Make what prints the final line with the numbers of this moment, now or later."""
        return partial(self._print, self._texts(f"{self.forecast.elapsed:.1f} s"))

    def _say(self, tail: str) -> None:
        self._print(self._texts(tail))

    def _texts(self, tail: str) -> list[str]:
        return [self._count, *[part.text for part in self._numbers()], tail]

    def _print(self, parts: Sequence[str]) -> None:
        """Print a line of text; fitted to the width on a terminal, unwrapped elsewhere."""
        if self._console.is_terminal:
            line = StatusLine(self._run.label, None, lambda: [Part(text) for text in parts])
            self._console.print(line.fitted(self._console.width))
        else:
            self._console.print("  ".join([self._run.label, *parts]), markup=False, highlight=False, soft_wrap=True)

    @property
    def _count(self) -> str:
        return f"{self._run.done}/{self._run.total}"

    def _share(self) -> float:
        return self._run.done / self._run.total if self._run.total else 1.0

    def _parts(self) -> list[Part]:
        """Parts of the live line: count, remaining time, numbers, elapsed time."""
        left = self.forecast.left()
        time = (
            Part("-:-- left", "left -:--")
            if left is None
            else Part(f"{clock(left.run)} left", f"left {clock(left.run)}")
        )
        if left is not None and left.command is not None:
            whole = clock(left.command)
            time = Part(f"{time.text}, all runs {whole}", f"{time.short} all {whole}")
        return [Part(self._count), time, *self._numbers(), Part(clock(self.forecast.elapsed))]

    def _numbers(self) -> list[Part]:
        """Parts after the count: the unit, or for searches the accuracy, the speed and the cache hits."""
        run = self._run
        if run.correct is None:
            return [Part(run.unit)]
        tokens, usage = self._usage.counted_tokens, self._usage
        accuracy = f"{run.correct / run.done:.1%}" if run.done else "-"
        numbers = [Part(f"accuracy {accuracy}", f"acc {accuracy}")]
        if tokens is not None:
            speed = f"{tokens / max(self.forecast.elapsed, 1e-9):,.0f}"
            numbers.append(Part(f"{speed} tokens/s", f"{speed} tok/s"))
        if usage.cached_prompt_tokens:
            numbers.append(Part(f"cache {usage.cached_prompt_tokens / usage.prompt_tokens:.0%}"))
        return numbers


def _line_of(row: Row) -> str:
    result = row.error or f"{row.grade:<9} answer {row.answer!r}, gold {row.gold!r}"
    backtracks = row.telemetry.get("backtracks", 0)
    extra = f"  {backtracks} backtracks" if backtracks else ""
    return f"{row.id}  {result}  {tokens_text(row.usage.counted_tokens)}{extra}  {row.usage.seconds:.1f} s"
