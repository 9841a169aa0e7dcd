"""Print the events of a command on a console: warnings, loading, progress."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
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
    SearchStarted,
    Warned,
)
from tt_scale.report.forecast import Forecast
from tt_scale.report.live_panel import LivePanel
from tt_scale.report.loading import LoadingLine
from tt_scale.report.progress import Progress
from tt_scale.report.run_counts import RunCountsByLabel

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live
    from typing_extensions import Self

__all__ = ["ConsoleReporter"]

REFRESHES = 2.0
"""Times that a live panel is drawn in a second."""


class ConsoleReporter:
    """Reporter that prints events; called within a running event loop.

    On a terminal it draws one panel of all planned runs, elsewhere plain lines. A context manager, which takes the
    panel away whatever happens.

    Args:
        console: the console to print on.
        verbose: print a line for each search.
        quiet: print warnings alone, and which part of the searches a comparison holds.
        quiet_seconds: without a terminal, minimum seconds between two lines about the same run.
    """

    def __init__(
        self, console: Console, *, verbose: bool = False, quiet: bool = False, quiet_seconds: float = 15.0
    ) -> None:
        self._console = console
        self._verbose = verbose
        self._quiet = quiet
        self._quiet_seconds = quiet_seconds
        self._forecast: Forecast | None = None
        self._loading: LoadingLine | None = None
        self._progress: Progress | None = None
        self._counts = RunCountsByLabel()
        self._panel: Live | None = None
        self._closing: list[Callable[[], None]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._take_panel_away()

    def __call__(self, event: Event, /) -> None:
        """Print an event."""
        self._counts(event)
        match event:
            case Warned(text):
                self.warn(text)
            case Compared() if event.done < event.total:
                self._console.print(_compared(event), markup=False, highlight=False)
            case _ if not self._quiet:
                self._show(event)

    def _show(self, event: Event) -> None:
        """Print what is no warning."""
        match event:
            case Resumed():
                self._console.print(_resumed(event), markup=False, highlight=False)
            case LoadingStarted(models):
                self._take_panel_away()
                self._loading = LoadingLine(self._console, models, quiet_seconds=self._quiet_seconds)
                self._loading.start()
            case LoadingEnded() if self._loading is not None:
                self._loading.end(event.seconds if event.loaded else None)
            case RunsPlanned(pieces, at_once):
                self._forecast = Forecast(pieces, at_once)
            case RunStarted() | RunAdvanced() | RunEnded() | SearchStarted():
                self._follow(event)

    def warn(self, text: str) -> None:
        """Print a warning."""
        from rich.markup import escape

        self._console.print(f"[yellow]warning:[/yellow] {escape(text)}", highlight=False, soft_wrap=True)

    def _follow(self, event: RunStarted | RunAdvanced | RunEnded | SearchStarted) -> None:
        if isinstance(event, RunStarted):
            self._begin(event)
        elif self._progress is not None and isinstance(event, RunAdvanced):
            self._progress.advance(event.run, event.row)
        elif self._progress is not None and isinstance(event, RunEnded):
            self._end(event, self._progress)

    def _begin(self, event: RunStarted) -> None:
        planned = self._console.is_terminal and bool(self._counts.current)
        self._progress = Progress(
            self._console,
            event.run,
            verbose=self._verbose,
            forecast=self._forecast if self._forecast is not None and self._forecast.expects_a_run else None,
            quiet_seconds=self._quiet_seconds,
            live=not planned,
        )
        if planned and self._panel is None:
            self._panel = self._drawn()
            self._panel.start()
        self._progress.start()

    def _end(self, event: RunEnded, progress: Progress) -> None:
        """Print the final line, or keep it until the panel is gone; another run may follow at once."""
        if self._panel is None:
            progress.end()
            return
        self._closing.append(progress.closing())
        more = self._forecast is not None and self._forecast.expects_a_run
        if event.run.done < event.run.total or not more:
            self._take_panel_away()

    def _take_panel_away(self) -> None:
        panel, self._panel = self._panel, None
        if panel is None:
            return
        panel.stop()
        for say in self._closing:
            say()
        self._closing.clear()

    def _drawn(self) -> Live:
        from rich.live import Live

        panel = LivePanel(self._counts, self._current_forecast, self._current_line)
        return Live(
            panel, console=self._console, transient=True, refresh_per_second=REFRESHES, vertical_overflow="crop"
        )

    def _current_forecast(self) -> Forecast | None:
        return None if self._progress is None else self._progress.forecast

    def _current_line(self) -> RenderableType:
        return "" if self._progress is None else self._progress.line


def _resumed(event: Resumed) -> str:
    if event.unit != "searches":
        return f"Scored before: {event.done:,} {event.unit}."
    return f"Done before: {event.done} of {event.total}."


def _compared(event: Compared) -> str:
    return (
        f"Compared on {event.dataset}: {event.done:,} of {event.total:,} searches of each run; the same command "
        "continues."
    )
