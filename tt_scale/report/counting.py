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
    """Counts finished pieces, with a closing line.

    Args:
        console: where to show it.
        label: what runs.
        total: pieces in all.
        unit: what is counted.
        done: how many of them an earlier run did.
        quiet_seconds: off a terminal, the least time between two lines.
    """

    def __init__(
        self, console: Console, label: str, total: int, *, unit: str = "", done: int = 0, quiet_seconds: float = 15.0
    ) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self._console = console
        self._label, self._unit = label, unit
        self._total, self._before, self._done = total, done, done
        self._quiet_seconds = quiet_seconds
        self._began = self._spoke = time.monotonic()
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=8),
            MofNCompleteColumn(),
            TextColumn("{task.fields[numbers]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        self._bar = Bar(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task(label, total=total, completed=done, numbers=unit)

    def __enter__(self) -> Self:
        self._bar.update(self._task, numbers=self._numbers())
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()
        self._say(f"{time.monotonic() - self._began:.1f} s")

    def more(self) -> None:
        """One more is done."""
        self._done += 1
        self._bar.update(self._task, completed=self._done, numbers=self._numbers())
        now = time.monotonic()
        if not self._console.is_terminal and now - self._spoke > self._quiet_seconds and self._done < self._total:
            self._spoke = now
            left = (now - self._began) / (self._done - self._before) * (self._total - self._done)
            self._say(f"{left:.0f} s left")

    def _say(self, tail: str) -> None:
        line = f"{self._label}  {self._done}/{self._total}  {self._numbers()}  {tail}"
        self._console.print(line, markup=False, highlight=False)

    def _numbers(self) -> str:
        """What stands behind the count."""
        return self._unit
