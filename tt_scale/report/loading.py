"""Status line with the seconds since models started to load."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tt_scale.report.status_line import Part, StatusLine, clock

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live

__all__ = ["LoadingLine", "loading"]

REFRESH_SECONDS = 0.5
QUIET_SECONDS = 15.0
"""Seconds between two lines without a terminal."""


class LoadingLine:
    """Status line that counts seconds while models load.

    The event loop draws the line, not a thread: the output of this process is redirected while an engine starts.

    Args:
        console: the console to print on.
        what: names of the models.
        words: verb of the status line, and of the final line.
        quiet_seconds: without a terminal, minimum seconds between two lines.
    """

    def __init__(
        self,
        console: Console,
        what: str,
        *,
        words: tuple[str, str] = ("Loading", "Loaded"),
        quiet_seconds: float = QUIET_SECONDS,
    ) -> None:
        self._console = console
        self._line = f"{words[0]} {what} ..."
        self._closing = f"{words[1]} {what}"
        self._quiet_seconds = quiet_seconds
        self._began = time.monotonic()
        self._live: Live | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Show the line, and update it in the running event loop."""
        self._began = time.monotonic()
        if self._console.is_terminal:
            self._live = self._drawn()
            self._live.start(refresh=True)
        else:
            self._say(self._line)
        self._task = asyncio.get_running_loop().create_task(self._kept_up_to_date())

    def end(self, seconds: float | None) -> None:
        """Remove the line.

        Args:
            seconds: loading time, for a final line; None prints none, since an error follows.
        """
        if self._task is not None:
            self._task.cancel()
        if self._live is not None:
            self._live.stop()
        if seconds is not None:
            self._say(f"{self._closing} in {seconds:.1f} s.")

    def _drawn(self) -> Live:
        from rich.live import Live

        seconds = StatusLine(self._line, None, lambda: [Part(clock(time.monotonic() - self._began))])
        return Live(
            seconds,
            console=self._console,
            transient=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    async def _kept_up_to_date(self) -> None:
        while True:
            await asyncio.sleep(self._quiet_seconds if self._live is None else REFRESH_SECONDS)
            if self._live is None:
                self._say(f"{self._line} {time.monotonic() - self._began:.0f} s")
            else:
                self._live.refresh()

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def loading(
    console: Console,
    what: str,
    *,
    words: tuple[str, str] = ("Loading", "Loaded"),
    quiet_seconds: float = QUIET_SECONDS,
) -> Iterator[None]:
    """Show a `LoadingLine` during the `with` block, in an event loop; an empty `what` shows nothing."""
    if not what:
        yield
        return
    line, began = LoadingLine(console, what, words=words, quiet_seconds=quiet_seconds), time.monotonic()
    line.start()
    try:
        yield
    except BaseException:
        line.end(None)
        raise
    line.end(time.monotonic() - began)
