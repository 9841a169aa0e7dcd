"""What `tt-scale prm-check` prints: how a PRM is asked, where it is read, and whether all ways to run it agree."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tt_scale.backends import ENGINES
from tt_scale.config import Config
from tt_scale.engines.dtypes import Place, check_dtype, place_of, slow_dtype
from tt_scale.errors import TTScaleError
from tt_scale.preflight import preflight_prms
from tt_scale.prm.inspection.example import Example
from tt_scale.prm.inspection.score_check import (
    Measured,
    backend_class,
    comparable,
    engines,
    judges,
    measure,
    score_remarks,
    spread,
    tolerance,
)
from tt_scale.report.loading import loading
from tt_scale.report.prm_layout import heading, print_layout, shortened

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["print_check"]

NAMES = {"vllm": "vLLM", "huggingface": "Transformers"}


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
    from rich.markup import escape

    tried = engines(config)
    if not judges(config):
        await asyncio.to_thread(preflight_prms, config)
    places = _places(config, tried)
    for place in places:
        check_dtype(config.dtype, place)
    slow = list(dict.fromkeys(filter(None, [slow_dtype(config.dtype, place) for place in places])))
    numbers, config = _numbers(config), comparable(config)
    remarks: list[str] = []
    if _has_layout(config, tried):
        remarks = await asyncio.to_thread(print_layout, config, example, numbers, console)
    found: list[Measured] = []
    faults: dict[str, TTScaleError] = {}
    console.print()
    for engine in tried:
        try:
            async with loading(console, f"on {NAMES.get(engine, engine)}", words=("Scoring", "Scored")):
                found.append(await measure(config, engine, example))
        except TTScaleError as error:
            faults[engine] = error
    if not found:
        raise next(iter(faults.values()))
    if not _has_layout(config, tried):
        _print_prompts(found[-1], console)
    _print_scores(example, found, console)
    agree = _print_verdict(found, tolerance(config), console)
    for engine, fault in faults.items():
        console.print(f"{NAMES.get(engine, engine)} cannot run it: {fault}", style="red", markup=False)
    for remark in [*slow, *remarks, *score_remarks(example, found[-1].whole)]:
        console.print(f"[yellow]warning:[/yellow] {escape(remark)}")
    return int(not agree or bool(faults))


def _places(config: Config, tried: Sequence[str]) -> list[Place]:
    engines_of = [backend_class(config, backend).engine for backend in tried]
    return [place_of(engine, config.prm_device) for engine in engines_of if engine in ENGINES]


def _has_layout(config: Config, tried: Sequence[str]) -> bool:
    return not judges(config) and set(tried) <= ENGINES.keys()


def _numbers(config: Config) -> str:
    chosen = comparable(config).dtype or "a type that it chooses"
    if config.prm_quantization:
        return f"{chosen}, quantized: {config.prm_quantization}"
    return chosen + ("" if config.dtype else ", for this comparison (--dtype sets another)")


def _print_prompts(measured: Measured, console: Console) -> None:
    if not measured.prompts:
        console.print(f"The PRM {measured.engine!r} has no adapter, so it does not say what it reads and where.")
        return
    heading(console, "What it is asked about the last step")
    for prompt in measured.prompts:
        for line in prompt.splitlines():
            console.print(f"  {line}", markup=False)
    console.print("  It answers in words, so there is no token at which a step's score stands.", style="dim")


def _print_scores(example: Example, found: Sequence[Measured], console: Console) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(title="Scores", title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    table.add_column("Step")
    for measured in found:
        for way in ("whole", "by step"):
            table.add_column(f"{NAMES.get(measured.engine, measured.engine)}\n{way}", justify="right")
    numbers = sum([2 * (max(len(NAMES.get(each.engine, each.engine)), len("0.000000")) + 3) for each in found])
    for solution, steps in enumerate(example.solutions):
        for place, step in enumerate(steps):
            if solution and place < len(steps) - 1:
                continue  # as in the right solution
            label = shortened(f"{place + 1} {'wrong: ' if solution else ''}{step}", console.width - numbers - 6)
            scores = [f"{way[solution][place]:.6f}" for each in found for way in (each.whole, each.by_step)]
            table.add_row(Text(label), *scores)
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
        every = "Both" if len(ways) == 2 else f"All {len(ways)}"
        console.print(f"{every} ways agree within {most:g}; the largest difference is {largest:.1g}.", style="green")
    for each in found:
        if each.tokens:
            name = NAMES.get(each.engine, each.engine)
            console.print(f"{name} step by step: {each.tokens:,} tokens read, {each.cached:,} of them from the cache.")
    return not off
