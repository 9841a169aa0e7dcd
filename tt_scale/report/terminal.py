"""Console of the commands: as wide as the terminal, and silent after its output pipe is closed.

Whatever is printed passes through it. Text of models, files and servers reaches the terminal as text: control
characters are escaped, and `:name:` stays as it is written instead of becoming an emoji.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from tt_scale.core.printable import printable

__all__ = ["Terminal"]

PIPED_WIDTH = 140


class Terminal(Console):
    """Console that survives a closed output pipe: the command continues, since records are still written.

    Args:
        fixed: whether tables have a fixed width if the output is not a terminal.
        stderr: print on standard error.
        keys: further keyword arguments of `rich.console.Console`.
    """

    def __init__(self, *, fixed: bool = False, stderr: bool = False, **keys: Any) -> None:
        stream = sys.stderr if stderr else sys.stdout
        width = PIPED_WIDTH if fixed and not stream.isatty() else None
        super().__init__(**{"width": width, "emoji": False, "stderr": stderr, **keys})

    def render_str(self, text: str, **style: Any) -> Text:
        """Make the text of a string, escaped before it is laid out."""
        return super().render_str(printable(text), **style)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Give the segments of what is drawn, escaped where it was laid out elsewhere."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)

    def on_broken_pipe(self) -> None:
        """Redirect further output to the null device; rich would end the process with status 1."""
        null_device = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null_device, self.file.fileno())
        os.close(null_device)
