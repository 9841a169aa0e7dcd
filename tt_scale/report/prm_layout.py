"""How a PRM is asked, as `tt-scale prm-check` shows it: its adapter, the text it reads, the tokens that are read."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from tt_scale.config import Config
from tt_scale.prm.adapters.base import Adapter, TokenHead
from tt_scale.prm.inspection.example import Example
from tt_scale.prm.inspection.layout_check import Layout, TokenizedExample

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["heading", "print_layout", "shortened"]

BEFORE, AFTER = 4, 1
"""How many tokens are shown around the one that is read."""


def print_layout(layout: Layout, config: Config, example: Example, numbers: str, console: Console) -> None:
    """Print how a PRM is asked.

    Args:
        layout: of the example.
        config: names the PRM.
        example: what it is tried on.
        numbers: in which it computes.
        console: where to.
    """
    adapter, look = layout.adapter, layout.look
    heading(console, f"PRM {config.prm_name}")
    for label, text in (
        ("adapter", f"{_name_of(type(adapter))}, {_reason(adapter, config)}"),
        ("protocol", adapter.summary),
        ("source", adapter.source),
        ("head", _head(adapter)),
        ("context", f"{layout.context:,} tokens; the example takes {layout.length:,}"),
        ("numbers", numbers),
    ):
        _line(console, label, text)
    _print_text(look, console)
    _print_places(example, look, console)


def _name_of(adapter: type[Adapter]) -> str:
    from tt_scale.registry import available

    where = f"{adapter.__module__}:{adapter.__qualname__}"
    return next((name for name, known in available("prm_adapters").items() if known == where), where)


def _reason(adapter: Adapter, config: Config) -> str:
    """Why it is this one."""
    if config.prm_adapter != "auto":
        return "which was asked for"
    own = PurePath(config.prm_name).name.lower()
    begin = next((name for name in adapter.names if own.startswith(name)), "")
    if begin:
        return f"found by the name, which begins with {begin!r}"
    architectures = adapter.checkpoint.settings.get("architectures") or ()
    return f"found by the architecture {', '.join([each for each in architectures if each in adapter.architectures])}"


def _head(adapter: Adapter) -> str:
    head = adapter.head
    if isinstance(head, TokenHead):
        positive, negative = adapter.checkpoint.tokens.tokenizer.convert_ids_to_tokens([head.positive, head.negative])
        return f"next token {positive!r} ({head.positive}) against {negative!r} ({head.negative}), softmax over the two"
    layers = ", ".join(head.layers)
    return f"{'layers' if len(head.layers) > 1 else 'layer'} {layers}; output {head.column} means right"


def _print_text(look: TokenizedExample, console: Console) -> None:
    """Print the text as the model sees it; tokens that are read stand out."""
    from rich.padding import Padding
    from rich.text import Text

    heading(console, "What the model reads")
    text = Text()
    for place, piece in enumerate(look.pieces[: look.positions[-1] + 1]):
        read = place in look.positions
        text.append(_visible(piece) if read and not piece.strip() else piece, style="reverse" if read else "")
        text.append("\n" if read and piece.endswith("\n") else "")
    for line in text.split("\n", allow_blank=False):
        console.print(Padding(line, (0, 0, 0, 2), expand=False) if line else "")


def _print_places(example: Example, look: TokenizedExample, console: Console) -> None:
    """Print the tokens around each place that is read: position, id and text, the read one in brackets."""
    heading(console, "Where it is read")
    first = len(example.steps) - len(look.positions)
    for number, (step, position) in enumerate(zip(example.steps[first:], look.positions, strict=True), first + 1):
        begin, end = max(0, position - BEFORE), min(len(look.ids), position + AFTER + 1)
        columns = [_column(look, place, place == position) for place in range(begin, end)]
        room = console.width - 4
        console.print(f"  step {number}: {shortened(step, room - 10)}", markup=False)
        for label, row in zip(("position", "id", "token"), zip(*columns, strict=True), strict=True):
            console.print(f"    {label:<9}{'  '.join(row)}".rstrip(), markup=False, no_wrap=True, overflow="crop")


def _column(look: TokenizedExample, place: int, read: bool) -> list[str]:
    cells = [str(place), str(look.ids[place]), _visible(look.pieces[place])]
    cells = [f"[{cell}]" if read else f" {cell} " for cell in cells]
    width = max([len(cell) for cell in cells])
    return [cell.rjust(width) for cell in cells]


def _visible(piece: str) -> str:
    """Write a piece so that white space is seen."""
    return piece.replace("\n", "\\n").replace("\t", "\\t").replace(" ", "·") or "''"


def shortened(text: str, room: int) -> str:
    """Write a text on one line of at most so many characters, at least 12."""
    line = " ".join(text.split())
    return line if len(line) <= max(room, 12) else line[: max(room, 12) - 1] + "…"


def heading(console: Console, title: str) -> None:
    """Print the heading of a section."""
    console.print(f"\n{title}", style="bold", markup=False)


def _line(console: Console, label: str, text: str) -> None:
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column(width=9, no_wrap=True)
    grid.add_column()
    grid.add_row(label, Text(text))
    console.print(Padding(grid, (0, 0, 0, 2), expand=False))
