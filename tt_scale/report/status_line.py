"""One-line status display for a terminal; in a narrow terminal, labels are shortened before numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from tt_scale.core.printable import printable

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions

__all__ = ["Part", "StatusLine", "clock"]

BAR_WIDTH = 8
LEAST_LABEL = 4


@dataclass(frozen=True, slots=True)
class Part:
    """A number with its unit.

    Attributes:
        text: the full text.
        short: a shorter text for a narrow terminal.
    """

    text: str
    short: str = ""


@dataclass(frozen=True, slots=True)
class StatusLine:
    """Content of the line; its callables are evaluated each time the line is drawn.

    Attributes:
        label: name of the run; its last word is kept the longest.
        share: returns the finished share, in [0, 1]; None draws no bar.
        parts: returns the numbers, the most important one first.
    """

    label: str
    share: Callable[[], float] | None
    parts: Callable[[], Sequence[Part]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Render the line for the available width."""
        yield self.fitted(options.max_width, dash="-" if options.ascii_only else "━")

    def fitted(self, width: int, dash: str = "━") -> Text:
        """Lay out the line.

        Args:
            width: available columns.
            dash: character of the bar.
        """
        parts, bar = list(self.parts()), self._bar(dash)
        last = self.label.rpartition(" ")[2]
        plain, short = [part.text for part in parts], [part.short or part.text for part in parts]
        for label, numbers, gap in ((self.label, plain, "  "), (last, plain, "  "), (last, short, " ")):
            line = _joined([label, bar, *numbers], gap)
            if line.cell_len <= width:
                return line
        while len(short) > 1 and cell_len(" ".join(short)) > width:
            short.pop()
        room = width - cell_len(" ".join(short)) - 1
        return _joined([set_cell_size(last, min(room, cell_len(last)))] if room >= LEAST_LABEL else [], " ", short)

    def _bar(self, dash: str) -> Text:
        if self.share is None:
            return Text()
        full = round(self.share() * BAR_WIDTH)
        return Text.assemble((dash * full, "bar.complete"), (dash * (BAR_WIDTH - full), "bar.back"))


def _joined(parts: Sequence[str | Text], gap: str, numbers: Sequence[str] = ()) -> Text:
    texts = [Text(printable(part)) if isinstance(part, str) else part for part in [*parts, *numbers]]
    return Text(gap, no_wrap=True, overflow="crop").join([text for text in texts if text])


def clock(seconds: float) -> str:
    """Format a time compactly: "0:07", "12:30", "1:02:03"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
