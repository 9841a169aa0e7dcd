"""Print a PRM's input for `tt-scale prm-check`: its adapter, the text it reads, the scored token positions."""

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
"""Tokens shown before and after a scored position."""


def print_layout(layout: Layout, config: Config, example: Example, numbers: str, console: Console) -> None:
    """Print the input of a PRM for an example.

    Args:
        layout: layout of the example.
        config: configuration that names the PRM.
        example: the worked example.
        numbers: description of the data type.
        console: the console to print on.
    """
    adapter, look = layout.adapter, layout.encoded
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
    """Describe how the adapter was selected."""
    if config.prm_adapter != "auto":
        return "as configured"
    own = PurePath(config.prm_name).name.lower()
    prefix = next((name for name in adapter.names if own.startswith(name)), "")
    if prefix:
        return f"selected by the name, which begins with {prefix!r}"
    architectures = adapter.checkpoint.settings.get("architectures") or ()
    known = [each for each in architectures if each in adapter.architectures]
    return f"selected by the architecture {', '.join(known)}"


def _head(adapter: Adapter) -> str:
    head = adapter.head
    if isinstance(head, TokenHead):
        positive, negative = adapter.checkpoint.tokens.tokenizer.convert_ids_to_tokens([head.positive, head.negative])
        return f"next token {positive!r} ({head.positive}) against {negative!r} ({head.negative}), softmax over the two"
    layers = ", ".join(head.layers)
    return f"{'layers' if len(head.layers) > 1 else 'layer'} {layers}; output {head.column} means correct"


def _print_text(look: TokenizedExample, console: Console) -> None:
    """Print the text as the model reads it, with the scored tokens highlighted."""
    from rich.padding import Padding
    from rich.text import Text

    heading(console, "What the model reads")
    text = Text()
    for index, token_text in enumerate(look.pieces[: look.positions[-1] + 1]):
        scored = index in look.positions
        shown = _visible(token_text) if scored and not token_text.strip() else token_text
        text.append(shown, style="reverse" if scored else "")
        text.append("\n" if scored and token_text.endswith("\n") else "")
    for line in text.split("\n", allow_blank=False):
        console.print(Padding(line, (0, 0, 0, 2), expand=False) if line else "")


def _print_places(example: Example, look: TokenizedExample, console: Console) -> None:
    """Print the tokens around each scored position: position, id and text, the scored one in brackets."""
    heading(console, "Scored positions")
    first = len(example.steps) - len(look.positions)
    for number, (step, position) in enumerate(zip(example.steps[first:], look.positions, strict=True), first + 1):
        begin, end = max(0, position - BEFORE), min(len(look.ids), position + AFTER + 1)
        columns = [_column(look, index, index == position) for index in range(begin, end)]
        room = console.width - 4
        console.print(f"  step {number}: {shortened(step, room - 10)}", markup=False)
        for label, row in zip(("position", "id", "token"), zip(*columns, strict=True), strict=True):
            console.print(f"    {label:<9}{'  '.join(row)}".rstrip(), markup=False, no_wrap=True, overflow="crop")


def _column(look: TokenizedExample, index: int, scored: bool) -> list[str]:
    cells = [str(index), str(look.ids[index]), _visible(look.pieces[index])]
    cells = [f"[{cell}]" if scored else f" {cell} " for cell in cells]
    width = max([len(cell) for cell in cells])
    return [cell.rjust(width) for cell in cells]


def _visible(token_text: str) -> str:
    """Replace whitespace in a token's text by visible characters."""
    return token_text.replace("\n", "\\n").replace("\t", "\\t").replace(" ", "·") or "''"


def shortened(text: str, room: int) -> str:
    """Shorten a text to one line of at most `room` characters, but at least 12."""
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
