"""`tt-scale show RUN PROBLEM`: one search, its tree, its pool, its events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from tt_scale.bench.reader.run_data import RunData
from tt_scale.bench.reader.search_record import Row, SearchRecord
from tt_scale.core.printable import printable
from tt_scale.report.cells import Number, count_cell, tokens_text
from tt_scale.report.search_tree import KINDS, MARKS, SearchTree, TreeStep, grow_tree
from tt_scale.report.show.problem_rows import SIGNS, verdict_of
from tt_scale.report.show.run_view import print_sheet
from tt_scale.report.show.tree_lines import GLYPHS, HEADING, shown_lines, tree_lines
from tt_scale.report.tables import Sheet

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["event_sheet", "pool_sheet", "print_search", "step_sheet"]

STOPPED = {
    "enough": "enough finished paths",
    "steps": "maximum number of steps reached",
    "frontier": "no open path left",
    "budget": "budget exhausted",
    "error": "failed",
}


def print_search(run: RunData, search: SearchRecord, console: Console, *, full: bool) -> SearchTree:
    """Print a search.

    Args:
        run: that it is of.
        search: with its tree.
        console: where to.
        full: give the whole text of each step.

    Returns:
        Its tree.
    """
    tree = grow_tree(search, run.method, run.tau)
    for line in _head(run, search):
        console.print(line)
    console.print()
    if tree.steps:
        console.print(f"{HEADING}{_legend(tree)}", style="dim", highlight=False, no_wrap=True, overflow="ellipsis")
    for text in shown_lines(list(tree_lines(tree)), console.width, full=full):
        console.print(text, highlight=False, no_wrap=not full, overflow="ellipsis")
    for sheet in (event_sheet(search), pool_sheet(search)):
        if sheet.rows:
            console.print()
            print_sheet(sheet, console)
    _print_answer(search, tree, console)
    return tree


def _head(run: RunData, search: SearchRecord) -> list[Text]:
    row = search.row
    about = [search.row.id, *[f"level {row.level}"] * (row.level is not None), *[search.subject or ""]]
    lines = [
        Text(" · ".join([printable(each) for each in (run.name, *filter(None, about))]), style="bold"),
        Text(printable(search.question.strip())),
        Text(""),
        Text(f"Gold answer {printable(row.gold)}. {_verdict(search)}"),
        Text(f"Ended: {STOPPED.get(row.stopped, row.stopped)}. {_spent(search)}", style="dim"),
    ]
    return [*lines, Text(printable(row.error), style="red")] if row.error else lines


def _verdict(search: SearchRecord) -> str:
    verdict = verdict_of(search.row)
    if search.row.answer is None:
        return f"{SIGNS[verdict]} {'The search failed.' if search.row.error else 'No answer.'}"
    return f"{SIGNS[verdict]} The search answers {printable(search.row.answer)}: {verdict} (by {search.selector})."


def _spent(search: SearchRecord) -> str:
    usage, nodes = search.row.usage, len(search.nodes)
    return (
        f"{tokens_text(usage.counted_tokens)} in {usage.generator_calls:,} requests, "
        f"{tokens_text(usage.counted_prm_tokens, 'PRM tokens')}, "
        f"{usage.seconds:.1f} s{_seconds_apart(search.row)}, {nodes:,} paths."
    )


def _seconds_apart(row: Row) -> str:
    """The parts of its seconds that are known, in brackets."""
    parts = {"generator": row.generator_seconds, "PRM": row.prm_seconds, "grading after it": row.grading_seconds}
    known = [f"{name} {seconds:.1f}" for name, seconds in parts.items() if seconds is not None]
    return f" ({', '.join(known)})" if known else ""


def _legend(tree: SearchTree) -> str:
    present = {step.kind for step in tree.steps}
    words = {"answer": "answer", "pool": "in the pool", "continued": "continued", "rejected": "not continued"}
    return "  ".join([f"{GLYPHS[kind]} {words.get(kind, kind)}" for kind in KINDS if kind in present])


def _print_answer(search: SearchRecord, tree: SearchTree, console: Console) -> None:
    """Print the solution whose answer was chosen."""
    path = [step for step in tree.steps if step.chosen]
    if path and search.chosen is not None:
        console.print()
        console.print("The solution that was chosen", style="bold")
        console.print(Text(printable("".join([step.step.text for step in path]).strip())))


def pool_sheet(search: SearchRecord) -> Sheet:
    """The finished paths, by the class of their answer; equal ones once."""
    chosen, counted = search.chosen, search.row.usage.counted_tokens
    groups: dict[tuple[int, str | None, str], list[int]] = {}
    for place, member in enumerate(search.pool):
        groups.setdefault((member.answer_class, member.answer, member.grade), []).append(place)
    weighted = any(member.weight is not None for member in search.pool)
    sheet = Sheet("Pool", ["Answer", "Verdict", "Chosen"], ["Paths", "Best score", "Sum of votes", "Tokens"])
    for (_, answer, grade), places in sorted(groups.items(), key=lambda group: (group[0][0] < 0, -len(group[1]))):
        members = [search.pool[place] for place in places]
        votes = sum([member.score if member.weight is None else member.weight for member in members])
        best = max([member.score for member in members])
        tokens = None if counted is None else sum([member.tokens for member in members])
        words = [answer or "-", grade.replace("_", " "), "yes" if chosen in members else ""]
        figures = [Number(f"{best:.3f}", best), Number(f"{votes:.3f}", votes), count_cell(tokens)]
        sheet.rows.append([*words, count_cell(len(members)), *figures])
    if weighted:
        sheet.title = "Pool (votes by the method's own weights)"
    return sheet


def event_sheet(search: SearchRecord) -> Sheet:
    """Counts of the events of a search: retries, backtracks, jumps."""
    kinds = Counter([event.kind for event in search.events])
    paths: Counter[str] = Counter()
    for event in search.events:
        paths[event.kind] += len(event.keys)
    sheet = Sheet("Events", ["Event"], ["Times", "Paths"])
    sheet.rows += [[kind, count_cell(count), count_cell(paths[kind])] for kind, count in kinds.items()]
    return sheet


def step_sheet(tree: SearchTree) -> Sheet:
    """Every step of a search, one line each, for programs."""
    words = ["Step", "After", "Outcome", "Marks", "Ended", "Answer", "Text"]
    sheet = Sheet("Steps", words, ["Depth", "Order", "Score", "Tokens", "Temperature", "Seed"])
    sheet.rows += [_step_cells(step) for step in tree.steps]
    return sheet


def _step_cells(step: TreeStep) -> Sequence[str]:
    answer = step.member.answer if step.member is not None else None
    marks = ", ".join([mark for mark in MARKS if mark in step.marks])
    return [
        *(step.id, step.parent or "question", step.kind, marks, step.step.ended, answer or "", step.step.text),
        count_cell(step.depth),
        count_cell(step.order),
        Number("-" if step.score is None else f"{step.score:.4f}", step.score),
        count_cell(step.step.counted_tokens),
        Number(f"{step.step.temperature:g}", step.step.temperature),
        Number(str(step.step.seed), step.step.seed),
    ]
