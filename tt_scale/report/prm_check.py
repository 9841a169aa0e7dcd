"""What `tt-scale prm-check` prints: what a PRM is asked, its scores, and whether all ways to run it agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tt_scale.errors import TTScaleError
from tt_scale.prm.inspection.example import Example
from tt_scale.prm.inspection.score_check import Agreement, EngineScores
from tt_scale.report.prm_layout import heading, shortened
from tt_scale.report.tables import Sheet, drawn

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["NAMES", "print_agreement", "print_faults", "print_prompts", "print_scores"]

NAMES = {"vllm": "vLLM", "huggingface": "Transformers"}


def print_prompts(measured: EngineScores, console: Console) -> None:
    """Print what a PRM is asked in words about the last step."""
    if not measured.prompts:
        console.print(f"The PRM {measured.engine!r} has no adapter, so it does not say what it reads and where.")
        return
    heading(console, "What it is asked about the last step")
    for prompt in measured.prompts:
        for line in prompt.splitlines():
            console.print(f"  {line}", markup=False)
    console.print("  It answers in words, so there is no token at which a step's score stands.", style="dim")


def print_scores(example: Example, found: Sequence[EngineScores], console: Console) -> None:
    """Print the score of every step on every engine, whole and step by step."""
    names = [NAMES.get(measured.engine, measured.engine) for measured in found]
    sheet = Sheet("Scores", ["Step"], [f"{name}\n{way}" for name in names for way in ("whole", "by step")])
    room = console.width - 6 - sum([2 * (max(len(name), len("0.000000")) + 3) for name in names])
    for solution, steps in enumerate(example.solutions):
        for place, step in enumerate(steps):
            if solution and place < len(steps) - 1:
                continue  # as in the right solution
            label = shortened(f"{place + 1} {'wrong: ' if solution else ''}{step}", room)
            scores = [f"{way[solution][place]:.6f}" for each in found for way in (each.whole, each.by_step)]
            sheet.rows.append([label, *scores])
    console.print(drawn(sheet))


def print_agreement(agreement: Agreement, found: Sequence[EngineScores], console: Console) -> None:
    """Print whether all ways agree, and what the cache saved."""
    if agreement.off:
        others = ", ".join([f"{name} by {difference:.4f}" for name, difference in agreement.off.items()])
        line = f"NOT the same: {others} from {agreement.reference}; allowed is {agreement.most:g}."
        console.print(line, style="bold red", markup=False)
    else:
        ways, largest = len(agreement.differences), max(agreement.differences.values())
        every = "Both" if ways == 2 else f"All {ways}"
        line = f"{every} ways agree within {agreement.most:g}; the largest difference is {largest:.1g}."
        console.print(line, style="green")
    for each in found:
        if each.tokens:
            name = NAMES.get(each.engine, each.engine)
            console.print(f"{name} step by step: {each.tokens:,} tokens read, {each.cached:,} of them from the cache.")


def print_faults(faults: Mapping[str, TTScaleError], remarks: Sequence[str], console: Console) -> None:
    """Print why engines cannot run a PRM, and what is odd about its answers."""
    from rich.markup import escape

    for engine, fault in faults.items():
        console.print(f"{NAMES.get(engine, engine)} cannot run it: {fault}", style="red", markup=False)
    for remark in remarks:
        console.print(f"[yellow]warning:[/yellow] {escape(remark)}")
