"""`tt-scale show RUN PROBLEM --step`: the events of a search in their order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.text import Text

from tt_scale.report.search_tree import QUESTION, Frame, SearchTree, TreeStep
from tt_scale.report.show.tree_lines import HEADING, step_figures, step_text

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["frame_words", "walk"]

MOST_NAMED = 4
WORDS: Mapping[str, str] = {
    "retry": "Retry: expands {} again",
    "backtrack": "Backtracked to {}",
    "jump": "Jump: continues with {} regardless of their scores",
    "left": "Stopped {} early",
    "rescue": "No answer: added {} to the pool",
}


def walk(tree: SearchTree, console: Console, more: Callable[[], bool]) -> None:
    """Print the events, one after the other.

    Args:
        tree: of the search.
        console: where to.
        more: asked after each; False ends the walk.
    """
    shown: set[str] = set()
    for number, frame in enumerate(tree.frames, 1):
        console.print(Text(f"{number}/{len(tree.frames)}  {frame_words(tree, frame)}", style="bold"))
        if frame.kind == "grow":
            console.print(HEADING, style="dim", highlight=False)
        for step in _new(tree, frame, shown):
            head = step_figures(step).append(f"{step.id}  ", style="dim")
            console.print(step_text(step, head, console.width), no_wrap=True, overflow="ellipsis", highlight=False)
        if number < len(tree.frames) and not more():
            return


def _new(tree: SearchTree, frame: Frame, shown: set[str]) -> list[TreeStep]:
    """The steps that came with a batch, as they stood then; equal siblings once."""
    orders = {tree.by_id[each].order for each in frame.ids} if frame.kind == "grow" else set()
    groups: dict[tuple[str, str], list[TreeStep]] = {}
    for step in tree.steps:
        if step.order in orders and step.id not in shown:
            shown.add(step.id)
            groups.setdefault((step.parent, step.step.text), []).append(step)
    return [replace(group[0], marks=(), copies=len(group)) for group in groups.values()]


def frame_words(tree: SearchTree, frame: Frame) -> str:
    """Describe an event in one line."""
    if frame.kind == "grow":
        new = [tree.by_id[each] for each in frame.ids]
        parents = {step.parent for step in new}
        temperatures = sorted({step.step.temperature for step in new})
        span = " to ".join(dict.fromkeys([f"{each:g}" for each in (temperatures[0], temperatures[-1])]))
        expanded = "the question" if parents == {QUESTION} else _counted(len(parents), "path")
        return f"Expanded {expanded} by {_counted(len(new), 'step')} at temperature {span}"
    names = [each or "the question" for each in dict.fromkeys(frame.ids)]
    told = ", ".join(names[:MOST_NAMED]) + (f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else "")
    return WORDS.get(frame.kind, f"{frame.kind}: {{}}").format(told or "nothing")


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
