"""Live panel: a table with one row per run, redrawn in place.

The order of rows and the widths of columns are fixed, so that nothing moves while numbers change. A terminal too narrow
for the table shows the status line of the current run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from tt_scale.core.printable import printable
from tt_scale.report.forecast import Forecast
from tt_scale.report.run_counts import RunCounts, RunCountsByLabel
from tt_scale.report.status_line import clock

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType

__all__ = ["LEAST_WIDTH", "LivePanel"]

LEAST_WIDTH = 70
"""Minimum columns of a terminal for the table."""

LEAST_NAME, BAR_WIDTH, BESIDE = 8, 16, 6
"""Minimum columns of a name, columns of the bar, and lines of the terminal that the table leaves free."""


@dataclass(frozen=True, slots=True)
class LivePanel:
    """Content of the live display; evaluated each time it is drawn.

    Attributes:
        runs: counts of every run.
        forecast: returns the forecast of the remaining time.
        narrow: returns the content for a narrow terminal.
    """

    runs: RunCountsByLabel
    forecast: Callable[[], Forecast | None]
    narrow: Callable[[], RenderableType]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Draw the panel for the available width and height."""
        if options.max_width < LEAST_WIDTH:
            yield self.narrow()
            return
        yield Text()
        yield self._table(options.max_width, max(console.height - BESIDE, 3))
        yield self._footer("-" if options.ascii_only else "━")

    def _table(self, width: int, height: int) -> Table:
        every = list(self.runs)
        sets = {_names(each)[0] for each in every}
        widths = _widths(every)
        head = next(iter(sets)) if len(sets) == 1 else ""
        longest = max([cell_len(head), *[cell_len(_name(each, len(sets) > 1)) for each in every]])
        gap = 2 if longest + sum(widths) + 2 * len(widths) <= width else 1
        name = min(longest, max(width - sum(widths) - gap * len(widths), LEAST_NAME))
        table = Table(box=None, padding=(0, gap, 0, 0), show_edge=False, pad_edge=False)
        table.add_column(Text(head), width=name, no_wrap=True, overflow="ellipsis")
        for head, least in zip(HEADS, widths, strict=True):
            table.add_column(head, width=least, justify="right", no_wrap=True)
        before, shown, behind = _window(every, self.runs.current, height)
        _add_rest(table, before, "above")
        for each in shown:
            style = "" if each in self.runs.current else "dim"
            table.add_row(Text(_name(each, len(sets) > 1)), *self._cells(each), style=style)
        _add_rest(table, behind, "below")
        return table

    def _cells(self, run: RunCounts) -> list[str]:
        accuracy, (low, high) = run.accuracy, run.interval
        return [
            f"{run.done}/{run.total}",
            "-" if accuracy is None else f"{accuracy:.1%}",
            "-" if accuracy is None else f"{100 * low:.1f}-{100 * high:.1f}",
            "-" if run.speed is None else f"{run.speed:,.0f}",
            "-" if run.cached is None else f"{run.cached:.0%}",
            str(run.in_flight or ""),
            self._left(run),
        ]

    def _left(self, run: RunCounts) -> str:
        if run.done == run.total:
            return "done"
        forecast = self.forecast()
        left = forecast.left() if forecast is not None and list(self.runs.current) == [run] else None
        return "" if left is None else clock(left.run)

    def _footer(self, dash: str) -> Text:
        done, total = sum([each.done for each in self.runs]), sum([each.total for each in self.runs])
        full = round(BAR_WIDTH * done / max(total, 1))
        bar = Text.assemble((dash * full, "bar.complete"), (dash * (BAR_WIDTH - full), "bar.back"))
        forecast = self.forecast()
        left = None if forecast is None else forecast.left()
        whole = None if left is None else (left.run if left.command is None else left.command)
        elapsed = sum([each.seconds for each in self._counted()])
        count = f"  {done}/{total}  {clock(elapsed)} so far"
        return Text.assemble(bar, count, "" if whole is None else f", {clock(whole)} left")

    def _counted(self) -> Sequence[RunCounts]:
        """Runs whose elapsed times add up; interleaved runs share theirs."""
        current = list(self.runs.current)
        return current[:1] if len(current) > 1 else [each for each in self.runs if each.began is not None]


HEADS = ("Done", "Accuracy", "95 %", "Tokens/s", "Cache", "Now", "Left")
"""Headings of the numbers; Now: searches in flight."""


def _widths(runs: Sequence[RunCounts]) -> list[int]:
    """Columns of each number, for the largest value that it can take."""
    done = max([2 * len(str(each.total)) + 1 for each in runs])
    return [max(done, len(HEADS[0])), 8, 10, 8, 5, 4, 7]


def _names(run: RunCounts) -> tuple[str, str]:
    """Problem set and method."""
    dataset, _, method = printable(run.label).rpartition(" ")
    return dataset, method


def _name(run: RunCounts, whole: bool) -> str:
    return printable(run.label) if whole else _names(run)[1]


def _window(
    runs: Sequence[RunCounts], current: Sequence[RunCounts], height: int
) -> tuple[int, Sequence[RunCounts], int]:
    """Number of runs above the visible ones, the visible runs, and the number of runs below."""
    if len(runs) <= height:
        return 0, runs, 0
    under_way = next((index for index, each in enumerate(runs) if each in current), 0)
    room = max(height - 2, 1)
    start = min(max(under_way - room // 2, 0), len(runs) - room)
    return start, runs[start : start + room], len(runs) - start - room


def _add_rest(table: Table, count: int, where: str) -> None:
    if count:
        table.add_row(Text(f"{count} {where}"), style="dim")
