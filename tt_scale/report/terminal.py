"""Console of the commands: as wide as the terminal, and silent after its output pipe is closed."""

from __future__ import annotations

import os
import sys
from typing import Any

from rich.console import Console

__all__ = ["Terminal"]

PIPED_WIDTH = 140


class Terminal(Console):
    """Console that survives a closed output pipe: the command continues, since records are still written.

    Args:
        fixed: whether tables have a fixed width if the output is not a terminal.
        keys: keyword arguments of `rich.console.Console`.
    """

    def __init__(self, *, fixed: bool = False, **keys: Any) -> None:
        super().__init__(width=PIPED_WIDTH if fixed and not sys.stdout.isatty() else None, **keys)

    def on_broken_pipe(self) -> None:
        """Redirect further output to the null device; rich would end the process with status 1."""
        null_device = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null_device, sys.stdout.fileno())
        os.close(null_device)
