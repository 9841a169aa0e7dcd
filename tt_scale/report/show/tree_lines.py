"""A tree of steps as lines of a terminal: figures in columns, then the branches, then the text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from rich.cells import cell_len
from rich.text import Text

from tt_scale.core.printable import excerpt, printable
from tt_scale.report.search_tree import QUESTION, SearchTree, TreeStep
from tt_scale.report.show.problem_rows import SIGNS

__all__ = ["GLYPHS", "HEADING", "Line", "shown_lines", "step_text", "tree_lines"]

GLYPHS: Mapping[str, str] = MappingProxyType(
    {"answer": "★", "pool": "●", "continued": "○", "rejected": "×", "truncated": "▷", "failed": "!", "unreadable": "?"}
)
"""Outcome of a step -> sign that needs no colour."""

STYLES: Mapping[str, str] = MappingProxyType(
    {"answer": "bold", "pool": "", "continued": "", "rejected": "dim", "truncated": "dim", "failed": "red"}
)
HEADING = "step score  tok ended   "
DEEPEST = 2
"""A tree is indented over at most a half of the width; what lies deeper hangs from the same column."""

LEAST_TEXT = 12
GOOD, FAIR = 0.7, 0.4
"""Scores from which a number is shown as good or as fair."""


@dataclass(frozen=True, slots=True)
class Line:
    """One step in the tree.

    Attributes:
        step: that it shows.
        branches: what is drawn left of it.
    """

    step: TreeStep
    branches: str


def tree_lines(tree: SearchTree) -> Iterator[Line]:
    """Walk the tree depth first, equal siblings once; only where it branches is it indented."""
    children = {parent: [step for step in steps if step.copies] for parent, steps in tree.children().items()}
    waiting = [(step, branches) for step, branches in _below(children, QUESTION, "")]
    while waiting:
        step, (own, inherited) = waiting.pop()
        yield Line(step, own)
        waiting += _below(children, step.id, inherited)


def _below(
    children: Mapping[str, Sequence[TreeStep]], parent: str, inherited: str
) -> list[tuple[TreeStep, tuple[str, str]]]:
    """The children of a step, last first, each with its branches and those that its own children inherit."""
    steps = children.get(parent, ())
    if len(steps) == 1:
        return [(steps[0], (inherited, inherited))]
    found = [(step, (f"{inherited}├ ", f"{inherited}│ ")) for step in steps[:-1]]
    found += [(step, (f"{inherited}└ ", f"{inherited}  ")) for step in steps[-1:]]
    return found[::-1]


def shown_lines(lines: Sequence[Line], width: int, *, full: bool = False) -> Iterator[Text]:
    """Lines as they are printed.

    Args:
        lines: of the tree.
        width: of the terminal, in columns.
        full: give the whole text of each step below its line.
    """
    for line in lines:
        head = step_figures(line.step)
        branches = _narrowed(line.branches, max(width // DEEPEST - len(HEADING), 8))
        head.append(branches, style="dim")
        yield step_text(line.step, head, width, full=full)
        if full:
            indent = " " * (cell_len(head.plain) + 2)
            for text in printable(line.step.step.text).splitlines():
                yield Text(indent + text)


def _narrowed(branches: str, most: int) -> str:
    return branches if len(branches) <= most else f"…{branches[len(branches) - most + 1 :]}"


def step_figures(step: TreeStep) -> Text:
    """Depth, score, tokens and why the step ended, in columns as wide as `HEADING`."""
    text = Text(f"{step.depth:4d} ", style="dim")
    score = "    -" if step.score is None else f"{step.score:5.2f}"
    text.append(score, style=_score_style(step.score))
    tokens = "-" if step.step.counted_tokens is None else str(step.step.counted_tokens)
    return text.append(f" {tokens:>4s} {step.step.ended[:7]:7s} ", style="dim")


def _score_style(score: float | None) -> str:
    if score is None:
        return "dim"
    return "green" if score >= GOOD else "yellow" if score >= FAIR else "red"


def step_text(step: TreeStep, head: Text, width: int, *, full: bool = False) -> Text:
    """Outcome of a step, the beginning of its text, and its marks, on one line.

    Args:
        step: of the tree.
        head: what stands before it.
        width: of the terminal.
        full: leave the text to the lines below.
    """
    tail = _tail(step)
    room = max(width - cell_len(head.plain) - 3 - cell_len(tail), LEAST_TEXT)
    line = head.copy().append(f"{GLYPHS[step.kind]} ", style=STYLES.get(step.kind, ""))
    if not full:
        line.append(excerpt(step.step.text or step.step.error, room), style=STYLES.get(step.kind, ""))
    line.append(tail, style="cyan")
    line.truncate(max(width, 1), overflow="ellipsis")
    return line


def _tail(step: TreeStep) -> str:
    told = list(step.marks)
    if step.member is not None:
        answer = excerpt("no answer" if step.member.answer is None else step.member.answer, 20)
        told.append(f"{SIGNS[step.member.grade.replace('_', ' ')]} {answer}")
    if step.copies > 1:
        told.append(f"x {step.copies}")
    return "".join([f"  {each}" for each in told])
