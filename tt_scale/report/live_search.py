"""Print a search in progress and its result, for `tt-scale solve`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from tt_scale.core.path import Path, name
from tt_scale.core.printable import printable_json
from tt_scale.core.solution import Solution, solution_record
from tt_scale.report.cells import tokens_text

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["print_growth", "print_json", "print_solution"]

STOPPED = {
    "enough": "it had enough finished paths",
    "steps": "it reached its limit of steps",
    "frontier": "no open path was left",
    "budget": "the budget was exhausted",
    "timeout": "its time limit was reached",
    "error": "it failed",
}
MARKS = {"open": " ", "finished": "✓", "truncated": "…", "failed": "✗", "unreadable": "…"}


@cache
def _console() -> Console:
    from tt_scale.report.terminal import Terminal

    return Terminal(highlight=False)


def print_growth(children: Sequence[Path]) -> None:
    """Print one line per child of an expansion: state, key, score and the start of its last step."""
    console = _console()
    for child in children:
        line = " ".join(child.steps[-1].text.split())
        room = max(20, console.width - 30)
        shown = line if len(line) <= room else line[: room - 1] + "…"
        score = f"{child.score:.3f}" if child.scores else "  -  "
        console.print(f"{MARKS[child.state]} {name(child.key):<16} {score}  {shown}", markup=False, soft_wrap=True)
    console.print()


def print_solution(solution: Solution) -> None:
    """Print the chosen path, the cost and the answer."""
    console = _console()
    usage = solution.usage
    pool, stopped = len(solution.outcome.pool), STOPPED[solution.outcome.stopped]
    if solution.path is not None:
        console.rule(f"path {name(solution.path.key)}, score {solution.path.score:.3f}")
        console.print(solution.path.text.strip(), markup=False)
        console.rule()
    spent = f"{tokens_text(usage.counted_tokens)}, {tokens_text(usage.counted_prm_tokens, 'PRM tokens')}"
    console.print(
        f"Finished paths: {pool}; the search ended because {stopped}. {spent}, {usage.seconds:.1f} s.", markup=False
    )
    console.print(f"Answer: {solution.answer}" if solution.answer is not None else "No answer was found.", markup=False)


def print_json(solution: Solution) -> None:
    """Print answer, chosen path, pool and cost as one JSON object; `answer` and `path` are null without an answer."""
    document = json.dumps(solution_record(solution), ensure_ascii=False)
    print(printable_json(document))  # noqa: T201  (rich would wrap and colour it)
