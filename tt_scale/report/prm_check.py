"""Print the results of `tt-scale prm-check`: prompts, scores, and agreement of engines and ways of scoring."""

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
    """Print the prompts of a generative PRM for the last step."""
    if not measured.prompts:
        line = f"The PRM {measured.engine!r} has no adapter, so its input cannot be shown."
        console.print(line, markup=False)
        return
    heading(console, "Prompt for the last step")
    for prompt in measured.prompts:
        for line in prompt.splitlines():
            console.print(f"  {line}", markup=False)
    console.print("  It answers in words, so there is no token position of a step's score.", style="dim")


def print_scores(example: Example, scores: Sequence[EngineScores], console: Console) -> None:
    """Print the score of every step on every engine, for the whole solution at once and step by step."""
    names = [NAMES.get(measured.engine, measured.engine) for measured in scores]
    sheet = Sheet("Scores", ["Step"], [f"{name}\n{way}" for name in names for way in ("whole", "by step")])
    room = console.width - 6 - sum([2 * (max(len(name), len("0.000000")) + 3) for name in names])
    for solution, steps in enumerate(example.solutions):
        for index, step in enumerate(steps):
            if solution and index < len(steps) - 1:
                continue  # the same as in the correct solution
            label = shortened(f"{index + 1} {'wrong: ' if solution else ''}{step}", room)
            cells = [f"{way[solution][index]:.6f}" for each in scores for way in (each.whole, each.by_step)]
            sheet.rows.append([label, *cells])
    console.print(drawn(sheet))


def print_agreement(agreement: Agreement, scores: Sequence[EngineScores], console: Console) -> None:
    """Print whether all engines and ways of scoring agree, and the tokens read from the cache."""
    if agreement.off:
        others = ", ".join([f"{name} by {difference:.4f}" for name, difference in agreement.off.items()])
        line = f"NOT the same: {others} from {agreement.reference}; allowed: {agreement.most:g}."
        console.print(line, style="bold red", markup=False)
    else:
        ways, largest = len(agreement.differences), max(agreement.differences.values())
        every = "Both" if ways == 2 else f"All {ways}"
        line = f"{every} ways agree within {agreement.most:g}; the largest difference is {largest:.1g}."
        console.print(line, style="green")
    for each in scores:
        if each.tokens:
            name = NAMES.get(each.engine, each.engine)
            line = f"{name} step by step: {each.tokens:,} tokens read, {each.cached:,} of them from the cache."
            console.print(line, markup=False)


def print_faults(faults: Mapping[str, TTScaleError], remarks: Sequence[str], console: Console) -> None:
    """Print the errors of engines that cannot run a PRM, and warnings about its scores."""
    from rich.markup import escape

    for engine, fault in faults.items():
        console.print(f"{NAMES.get(engine, engine)} cannot run it: {fault}", style="red", markup=False)
    for remark in remarks:
        console.print(f"[yellow]warning:[/yellow] {escape(remark)}")
