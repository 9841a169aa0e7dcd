"""What `tt-scale prm-check` prints: how a PRM is asked, where it is read, and whether all ways to run it agree."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING

from tt_scale.config import Config
from tt_scale.errors import PRMError, TTScaleError
from tt_scale.prm.adapter import Adapter, TokenHead
from tt_scale.prm.check import Measured, comparable, engines, judges, measure, score_remarks, spread, tolerance
from tt_scale.prm.example import Example
from tt_scale.prm.look import Look, layout_remarks, look_at

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["print_check"]

NAMES = {"vllm": "vLLM", "huggingface": "Transformers"}
BEFORE, AFTER = 4, 1
"""How many tokens are shown around the one that is read."""


async def print_check(config: Config, example: Example, console: Console) -> int:
    """Print the check of a PRM.

    Args:
        config: names the PRM, and how to load it.
        example: what it is tried on.
        console: where to.

    Returns:
        0 where all ways agree, 1 where they do not, or where an installed engine cannot run it.

    Raises:
        TTScaleError: the PRM cannot be asked at all.
    """
    tried, config = engines(config), comparable(config)
    remarks = await asyncio.to_thread(_print_layout, config, example, console) if _has_layout(config, tried) else []
    found: list[Measured] = []
    faults: dict[str, TTScaleError] = {}
    for engine in tried:
        console.print(f"Scoring on {NAMES.get(engine, engine)} ...", style="dim")
        try:
            found.append(await measure(config, engine, example))
        except TTScaleError as error:
            faults[engine] = error
    if not found:
        raise next(iter(faults.values()))
    _print_prompts(found[-1], console)
    _print_scores(example, found, console)
    agree = _print_verdict(found, tolerance(config), console)
    for engine, error in faults.items():
        console.print(f"{NAMES.get(engine, engine)} cannot run it: {error}", style="red", markup=False)
    for remark in [*remarks, *score_remarks(example, found[-1].whole)]:
        console.print(f"[yellow]warning:[/yellow] {_escaped(remark)}")
    return int(not agree or bool(faults))


def _has_layout(config: Config, tried: Sequence[str]) -> bool:
    return not judges(config) and set(tried) <= NAMES.keys()


def _print_layout(config: Config, example: Example, console: Console) -> list[str]:
    """Print what needs no weights; give what is odd about it."""
    from tt_scale.model_names import resolve_model
    from tt_scale.prm.finding import context_of, open_adapter
    from tt_scale.weights import require_torch

    require_torch(f"Scoring with {config.prm_name!r}")
    adapter = open_adapter(config, resolve_model(config.prm_name))
    look = look_at(adapter, example)
    context = context_of(adapter.checkpoint.settings, config)
    length = look.positions[-1] + 1
    if length > context:
        raise PRMError(
            f"The example takes {length} tokens; {config.prm_name!r} is given at most {context}.",
            "Give a shorter one: --question --step",
        )
    _section(console, f"PRM {config.prm_name}")
    for label, text in (
        ("adapter", f"{_name_of(type(adapter))}, {_reason(adapter, config)}"),
        ("protocol", adapter.summary),
        ("source", adapter.source),
        ("head", _head(adapter)),
        ("context", f"{context:,} tokens; the example takes {length:,}"),
        ("numbers", _numbers(config)),
    ):
        _line(console, label, text)
    _print_text(look, console)
    _print_places(example, look, console)
    return layout_remarks(adapter, example, look)


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


def _numbers(config: Config) -> str:
    if config.prm_quantization:
        return f"{config.dtype}, quantized: {config.prm_quantization}"
    return config.dtype + ("" if "dtype" in config.model_fields_set else ", for this comparison (--dtype sets another)")


def _print_text(look: Look, console: Console) -> None:
    """Print the text as the model sees it; tokens that are read stand out."""
    from rich.padding import Padding
    from rich.text import Text

    _section(console, "What the model reads")
    text = Text()
    for place, piece in enumerate(look.pieces[: look.positions[-1] + 1]):
        read = place in look.positions
        text.append(_visible(piece) if read and not piece.strip() else piece, style="reverse" if read else "")
        text.append("\n" if read and piece.endswith("\n") else "")
    for line in text.split("\n", allow_blank=False):
        console.print(Padding(line, (0, 0, 0, 2)))


def _print_places(example: Example, look: Look, console: Console) -> None:
    """Print the tokens around each place that is read: position, id and text, the read one in brackets."""
    _section(console, "Where it is read")
    for number, (step, position) in enumerate(zip(example.steps, look.positions, strict=True), 1):
        begin, end = max(0, position - BEFORE), min(len(look.ids), position + AFTER + 1)
        columns = [_column(look, place, place == position) for place in range(begin, end)]
        room = console.width - 4
        console.print(f"  step {number}: {_short(step, room - 10)}", markup=False)
        for label, row in zip(("position", "id", "token"), zip(*columns, strict=True), strict=True):
            console.print(f"    {label:<9}{'  '.join(row)}".rstrip(), markup=False, no_wrap=True, overflow="crop")


def _column(look: Look, place: int, read: bool) -> list[str]:
    cells = [str(place), str(look.ids[place]), _visible(look.pieces[place])]
    cells = [f"[{cell}]" if read else f" {cell} " for cell in cells]
    width = max([len(cell) for cell in cells])
    return [cell.rjust(width) for cell in cells]


def _visible(piece: str) -> str:
    """Write a piece so that white space is seen."""
    return piece.replace("\n", "\\n").replace("\t", "\\t").replace(" ", "·") or "''"


def _print_prompts(measured: Measured, console: Console) -> None:
    if not measured.prompts:
        return
    _section(console, "What it is asked about the last step")
    for prompt in measured.prompts:
        for line in prompt.splitlines():
            console.print(f"  {line}", markup=False)
    console.print("  It answers in words, so there is no token at which a step's score stands.", style="dim")


def _print_scores(example: Example, found: Sequence[Measured], console: Console) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title="Scores", title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    table.add_column("Step")
    for measured in found:
        for way in ("whole", "by step"):
            table.add_column(f"{NAMES.get(measured.engine, measured.engine)}\n{way}", justify="right")
    for solution, steps in enumerate(example.solutions):
        for place, step in enumerate(steps):
            if solution and place < len(steps) - 1:
                continue  # as in the right solution
            label = f"{place + 1} {'wrong: ' if solution else ''}{_short(step, console.width - 26 * len(found) - 12)}"
            scores = [f"{way[solution][place]:.6f}" for each in found for way in (each.whole, each.by_step)]
            table.add_row(_plain(label), *scores)
    console.print(table)


def _print_verdict(found: Sequence[Measured], most: float, console: Console) -> bool:
    """Print whether all ways agree."""
    ways = {f"{NAMES.get(each.engine, each.engine)} {how}": scores for each in found
            for how, scores in (("by step", each.by_step), ("whole", each.whole))}  # fmt: skip
    differences = spread(ways)
    reference = list(ways)[-1]
    largest = max(differences.values())
    off = {name: difference for name, difference in differences.items() if difference > most}
    if off:
        told = ", ".join([f"{name} by {difference:.4f}" for name, difference in off.items()])
        console.print(f"NOT the same: {told} from {reference}; allowed is {most:g}.", style="bold red", markup=False)
    else:
        console.print(f"All {len(ways)} ways agree within {most:g}; the largest difference is {largest:.1e}.", style="green")
    for each in found:
        if each.tokens:
            name = NAMES.get(each.engine, each.engine)
            console.print(f"{name} step by step: {each.tokens:,} tokens read, {each.cached:,} of them from the cache.")
    return not off


def _short(text: str, room: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= max(room, 12) else line[: max(room, 12) - 1] + "…"


def _plain(text: str) -> Text:
    from rich.text import Text

    return Text(text)


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _section(console: Console, title: str) -> None:
    console.print(f"\n{_escaped(title)}", style="bold")


def _line(console: Console, label: str, text: str) -> None:
    from rich.padding import Padding
    from rich.table import Table

    grid = Table.grid(padding=(0, 2))
    grid.add_column(width=9, no_wrap=True)
    grid.add_column()
    grid.add_row(label, _plain(text))
    console.print(Padding(grid, (0, 0, 0, 2)))
