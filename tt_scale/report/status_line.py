"""One line of a terminal that shows how far something is; where room is short, names give way and numbers stay."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions

__all__ = ["Part", "StatusLine", "clock"]

BAR_WIDTH = 8
LEAST_LABEL = 4


@dataclass(frozen=True, slots=True)
class Part:
    """A number with its unit.

    Attributes:
        text: as it reads best.
        short: for a narrow terminal.
    """

    text: str
    short: str = ""


@dataclass(frozen=True, slots=True)
class StatusLine:
    """What stands in the line; it is asked for anew each time that the line is drawn.

    Attributes:
        label: what runs; its last word says most.
        share: gives how much is done, in [0, 1]; None draws no bar.
        parts: gives the numbers, the most important one first.
    """

    label: str
    share: Callable[[], float] | None
    parts: Callable[[], Sequence[Part]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Draw it in the width that there is."""
        yield self.fitted(options.max_width, dash="-" if options.ascii_only else "━")

    def fitted(self, width: int, dash: str = "━") -> Text:
        """Lay the line out.

        Args:
            width: in columns.
            dash: of the bar.
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


def _joined(pieces: Sequence[str | Text], gap: str, numbers: Sequence[str] = ()) -> Text:
    every = [Text(piece) if isinstance(piece, str) else piece for piece in [*pieces, *numbers]]
    return Text(gap, no_wrap=True, overflow="crop").join([piece for piece in every if piece])


def clock(seconds: float) -> str:
    """Write a time in few columns: "0:07", "12:30", "1:02:03"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
