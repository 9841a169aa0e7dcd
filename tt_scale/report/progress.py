"""The live line of a run: problems done, accuracy so far, tokens a second, cache hits, time left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tt_scale.bench.record import Row
from tt_scale.report.counting import Counting
from tt_scale.report.forecast import Forecast
from tt_scale.report.status_line import Part

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Progress"]


class Progress(Counting):
    """Follows a run, row by row.

    Args:
        console: where to show it.
        label: what runs.
        total: problems x repeats.
        done: how many of them an earlier run did.
        correct: how many of those are right.
        verbose: print a line for each problem.
        at_once: searches that are under way at a time, at least 1.
        forecast: of the command that this run is a part of; None where it is all of it.
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
        at_once: int = 1,
        forecast: Forecast | None = None,
        quiet_seconds: float = 15.0,
    ) -> None:
        super().__init__(
            console, label, total, done=done, at_once=at_once, forecast=forecast, quiet_seconds=quiet_seconds
        )
        self._verbose = verbose
        self._correct = correct
        self._tokens = self._prompt = self._cached = 0

    def __call__(self, row: Row) -> None:
        """Take in a new row."""
        self._correct += row.correct
        self._tokens += row.usage.generated_tokens
        self._prompt += row.usage.prompt_tokens
        self._cached += row.usage.cached_prompt_tokens
        if self._verbose:
            self._console.print(self._line(row), markup=False, highlight=False)
        self.more()

    def _numbers(self) -> list[Part]:
        speed = f"{self._tokens / max(self._forecast.elapsed, 1e-9):,.0f}"
        accuracy = f"{self._correct / self._done:.1%}" if self._done else "-"
        hits = f"cache {self._cached / self._prompt:.0%}" if self._cached else ""
        return [
            Part(f"accuracy {accuracy}", f"acc {accuracy}"),
            Part(f"{speed} tokens/s", f"{speed} tok/s"),
            Part(hits),
        ]

    def _line(self, row: Row) -> str:
        told = row.error or f"{row.grade:<9} answer {row.answer!r}, gold {row.gold!r}"
        backtracks = row.telemetry.get("backtracks", 0)
        extra = f"  {backtracks} backtracks" if backtracks else ""
        return f"{row.id}  {told}  {row.usage.generated_tokens:,} tokens{extra}  {row.usage.seconds:.1f} s"
