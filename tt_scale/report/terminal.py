"""The console of the commands: as wide as the terminal, and silent once nobody reads any more."""

from __future__ import annotations

import os
import sys
from typing import Any

from rich.console import Console

__all__ = ["Terminal"]

PIPED_WIDTH = 140


class Terminal(Console):
    """A console whose reader may leave: what the command does goes on, since records are written all the same.

    Args:
        fixed: whether tables keep one width where the output is no terminal.
        keys: of `rich.console.Console`.
    """

    def __init__(self, *, fixed: bool = False, **keys: Any) -> None:
        super().__init__(width=PIPED_WIDTH if fixed and not sys.stdout.isatty() else None, **keys)

    def on_broken_pipe(self) -> None:
        """Send to nowhere what is still printed; rich would end the process with status 1."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
