"""How far a long piece of work is: a live bar on a terminal, now and then a plain line elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from typing_extensions import Self

__all__ = ["Counting"]


class Counting:
    """Counts finished pieces.

    Args:
        console: where to show it.
        label: what runs.
        unit: what is counted.
        total: pieces in all.
        done: how many of them an earlier run did.
        quiet_seconds: off a terminal, the least time between two lines.
    """

    def __init__(
        self, console: Console, label: str, unit: str, total: int, done: int = 0, *, quiet_seconds: float = 15.0
    ) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._console = console
        self._label, self._unit = label, unit
        self._total, self._done = total, done
        self._quiet_seconds = quiet_seconds
        self._began = self._spoke = time.monotonic()
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=8),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        self._bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task(f"{label}, {unit}", total=total, completed=done)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()
        self._say()

    def more(self) -> None:
        """One more is done."""
        self._done += 1
        self._bar.advance(self._task)
        if not self._console.is_terminal and time.monotonic() - self._spoke > self._quiet_seconds:
            self._spoke = time.monotonic()
            self._say()

    def _say(self) -> None:
        seconds = time.monotonic() - self._began
        line = f"{self._label}  {self._done}/{self._total} {self._unit}  {seconds:.1f} s"
        self._console.print(line, markup=False, highlight=False)
