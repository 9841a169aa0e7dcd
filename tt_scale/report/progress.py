"""The live line of a run: problems done, accuracy so far, tokens a second, cache hits, time left."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING

from tt_scale.bench.record import Row

if TYPE_CHECKING:
    from rich.console import Console
    from typing_extensions import Self

__all__ = ["Progress"]


class Progress:
    """Follows a run: a live bar on a terminal, now and then a plain line elsewhere, and a closing line on both.

    Args:
        console: where to show it.
        label: what runs.
        total: problems x repeats.
        done: how many of them an earlier run did.
        correct: how many of those are right.
        verbose: print a line for each problem.
        quiet_seconds: off a terminal, the least time between two lines.
    """

    def __init__(
        self,
        console: Console,
        label: str,
        total: int,
        *,
        done: int = 0,
        correct: int = 0,
        verbose: bool = False,
        quiet_seconds: float = 15.0,
    ) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self._console = console
        self._label = label
        self._total = total
        self._verbose = verbose
        self._before, self._done, self._correct = done, done, correct
        self._tokens = self._prompt = self._cached = 0
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
        self._task = self._bar.add_task(label, total=total, completed=done, numbers=self._numbers())

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()
        self._say(f"{time.monotonic() - self._began:.1f} s")

    def __call__(self, row: Row) -> None:
        """Take in a new row."""
        self._done += 1
        self._correct += row.correct
        self._tokens += row.usage.generated_tokens
        self._prompt += row.usage.prompt_tokens
        self._cached += row.usage.cached_prompt_tokens
        self._bar.update(self._task, completed=self._done, numbers=self._numbers())
        if self._verbose:
            self._console.print(self._line(row), markup=False, highlight=False)
        now = time.monotonic()
        if not self._console.is_terminal and now - self._spoke > self._quiet_seconds and self._done < self._total:
            self._spoke = now
            left = (now - self._began) / (self._done - self._before) * (self._total - self._done)
            self._say(f"{left:.0f} s left")

    def _say(self, tail: str) -> None:
        line = f"{self._label}  {self._done}/{self._total}  {self._numbers()}  {tail}"
        self._console.print(line, markup=False, highlight=False)

    def _numbers(self) -> str:
        speed = self._tokens / max(time.monotonic() - self._began, 1e-9)
        accuracy = f"{self._correct / self._done:.1%}" if self._done else "-"
        hits = f"  cache {self._cached / self._prompt:.0%}" if self._cached else ""
        return f"accuracy {accuracy}  {speed:,.0f} tokens/s{hits}"

    def _line(self, row: Row) -> str:
        told = row.error or f"{row.grade:<9} answer {row.answer!r}, gold {row.gold!r}"
        backtracks = row.telemetry.get("backtracks", 0)
        extra = f"  {backtracks} backtracks" if backtracks else ""
        return f"{row.id}  {told}  {row.usage.generated_tokens:,} tokens{extra}  {row.usage.seconds:.1f} s"
