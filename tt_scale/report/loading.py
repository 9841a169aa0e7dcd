"""The line that shows for how long models have been loading."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from tt_scale.report.status_line import Part, StatusLine, clock

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["loading"]

REFRESH_SECONDS = 0.5
QUIET_SECONDS = 15.0
"""Between two lines, off a terminal."""


@asynccontextmanager
async def loading(
    console: Console,
    what: str,
    *,
    words: tuple[str, str] = ("Loading", "Loaded"),
    quiet_seconds: float = QUIET_SECONDS,
) -> AsyncIterator[None]:
    """Show seconds while models load within, and how many they were in the end.

    The event loop draws the line, not a thread: while an engine starts, the output of this process is moved about.

    Args:
        console: where to show it.
        what: is loaded; empty shows nothing.
        words: for what is done, and for what was.
        quiet_seconds: off a terminal, the least time between two lines.
    """
    if not what:
        yield
        return
    began = time.monotonic()
    shown = asyncio.ensure_future(_shown(console, f"{words[0]} {what} ...", began, quiet_seconds))
    try:
        yield
    finally:
        shown.cancel()
        with suppress(asyncio.CancelledError):
            await shown
    _say(console, f"{words[1]} {what} in {time.monotonic() - began:.1f} s.")


async def _shown(console: Console, line: str, began: float, quiet_seconds: float) -> None:
    if console.is_terminal:
        await _drawn(console, line, began)
    _say(console, line)
    while True:
        await asyncio.sleep(quiet_seconds)
        _say(console, f"{line} {time.monotonic() - began:.0f} s")


async def _drawn(console: Console, line: str, began: float) -> None:
    from rich.live import Live

    seconds = StatusLine(line, None, lambda: [Part(clock(time.monotonic() - began))])
    live = Live(
        seconds, console=console, transient=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
    )
    with live:
        while True:
            live.refresh()
            await asyncio.sleep(REFRESH_SECONDS)


def _say(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
