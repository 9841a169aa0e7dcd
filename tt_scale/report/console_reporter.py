"""Print the events of a command on a console: warnings, loading, progress."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tt_scale.bench.run.events import (
    Compared,
    Event,
    LoadingEnded,
    LoadingStarted,
    Resumed,
    RunAdvanced,
    RunEnded,
    RunsPlanned,
    RunStarted,
    Warned,
)
from tt_scale.report.forecast import Forecast
from tt_scale.report.loading import LoadingLine
from tt_scale.report.progress import Progress

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["ConsoleReporter"]


class ConsoleReporter:
    """Reporter that prints events; called within a running event loop.

    Args:
        console: the console to print on.
        verbose: print a line for each search.
        quiet_seconds: without a terminal, minimum seconds between two lines about the same run.
    """

    def __init__(self, console: Console, *, verbose: bool = False, quiet_seconds: float = 15.0) -> None:
        self._console = console
        self._verbose = verbose
        self._quiet_seconds = quiet_seconds
        self._forecast: Forecast | None = None
        self._loading: LoadingLine | None = None
        self._progress: Progress | None = None

    def __call__(self, event: Event, /) -> None:
        """Print an event."""
        match event:
            case Warned(text):
                self._warn(text)
            case Resumed():
                self._console.print(_resumed(event), markup=False, highlight=False)
            case LoadingStarted(models):
                self._loading = LoadingLine(self._console, models, quiet_seconds=self._quiet_seconds)
                self._loading.start()
            case LoadingEnded() if self._loading is not None:
                self._loading.end(event.seconds if event.loaded else None)
            case RunsPlanned(pieces, at_once):
                self._forecast = Forecast(pieces, at_once)
            case RunStarted() | RunAdvanced() | RunEnded():
                self._follow(event)
            case Compared() if event.done < event.total:
                self._console.print(_compared(event), markup=False, highlight=False)

    def _warn(self, text: str) -> None:
        from rich.markup import escape

        self._console.print(f"[yellow]warning:[/yellow] {escape(text)}", highlight=False, soft_wrap=True)

    def _follow(self, event: RunStarted | RunAdvanced | RunEnded) -> None:
        if isinstance(event, RunStarted):
            forecast = self._forecast if self._forecast is not None and self._forecast.expects_a_run else None
            self._progress = Progress(
                self._console,
                event.run,
                verbose=self._verbose,
                forecast=forecast,
                quiet_seconds=self._quiet_seconds,
            )
            self._progress.start()
        elif self._progress is not None and isinstance(event, RunAdvanced):
            self._progress.advance(event.run, event.row)
        elif self._progress is not None:
            self._progress.end()


def _resumed(event: Resumed) -> str:
    if event.unit != "searches":
        return f"Scored before: {event.done:,} {event.unit}."
    return f"Done before: {event.done} of {event.total}."


def _compared(event: Compared) -> str:
    return (
        f"Compared on {event.dataset}: {event.done:,} of {event.total:,} searches of each run; the same command "
        "continues."
    )
