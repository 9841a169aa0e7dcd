"""The searches of one problem as the page reads them: columns of steps, texts once, formulas once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tt_scale.bench.reader.run_data import ProblemRecord, RunData
from tt_scale.bench.reader.search_record import SearchRecord
from tt_scale.bench.record import CALL_SECONDS
from tt_scale.report.html.formulas import Formula, segments
from tt_scale.report.search_tree import KINDS, MARKS, QUESTION, SearchTree, TreeStep, grow_tree
from tt_scale.report.show.problem_rows import verdict_of
from tt_scale.report.show.walk import frame_words

__all__ = ["ENDED", "ProblemData", "search_data"]

ENDED: Mapping[str, str] = {
    "stop": "at a delimiter, or at the maximum length of a step",
    "eos": "the model ended the solution",
    "length": "a token limit was reached",
    "context": "the context was full",
    "error": "the request failed",
}
"""Why a step ended -> its meaning."""

DECIMALS = 4
"""Of scores and weights; exact ones are in the records."""


class Texts:
    """The texts and formulas of a problem, each once."""

    def __init__(self) -> None:
        self.texts: list[list[Any]] = []
        self.formulas: list[list[Any]] = []
        self._places: dict[str, int] = {}
        self._formulas: dict[str, int] = {}

    def add(self, text: str) -> int:
        """The place of a text."""
        if text not in self._places:
            self._places[text] = len(self.texts)
            self.texts.append([self._part(part) for part in segments(text)])
        return self._places[text]

    def _part(self, part: str | Formula) -> str | int:
        if isinstance(part, str):
            return part
        if part.source not in self._formulas:
            self._formulas[part.source] = len(self.formulas)
            self.formulas.append([part.source, part.math])
        return self._formulas[part.source]


class ProblemData:
    """Collects the searches of one problem.

    Args:
        problem: of the set.
    """

    def __init__(self, problem: ProblemRecord) -> None:
        self._texts = Texts()
        self._head = {"question": self._texts.add(problem.question), "gold": self._texts.add(problem.gold)}
        self._searches: list[dict[str, Any]] = []

    def add(self, run: int, data: RunData, search: SearchRecord) -> None:
        """Take in a search.

        Args:
            run: place of the run on the page.
            data: of the run.
            search: with its tree.
        """
        told = search_data(search, grow_tree(search, data.method, data.tau), self._texts)
        self._searches.append({"run": run, "repeat": search.row.repeat, **told})

    def add_damaged(self, run: int, repeat: int, reason: str) -> None:
        """Say that a search cannot be shown."""
        self._searches.append({"run": run, "repeat": repeat, "damaged": reason})

    def data(self) -> dict[str, Any]:
        """What the page takes."""
        texts = self._texts
        return {**self._head, "searches": self._searches, "texts": texts.texts, "formulas": texts.formulas}


def search_data(search: SearchRecord, tree: SearchTree, texts: Texts) -> dict[str, Any]:
    """Write a search for the page.

    Args:
        search: with its tree.
        tree: of it.
        texts: of its problem; new ones are added.
    """
    row, places = search.row, {step.id: place for place, step in enumerate(tree.steps)}
    return {
        "verdict": verdict_of(row),
        "answer": row.answer,
        "selector": search.selector,
        "stopped": row.stopped,
        "error": row.error,
        "tokens": [row.usage.counted_tokens, row.usage.counted_prm_tokens],
        "seconds": [_rounded(row.usage.seconds or None), *(_rounded(getattr(row, name)) for name in CALL_SECONDS)],
        "telemetry": dict(row.telemetry),
        "steps": _columns(tree.steps, places, texts),
        "frames": _frames(tree, places),
        "pool": [_member(search, place) for place in range(len(search.pool))],
    }


def _columns(steps: Sequence[TreeStep], places: Mapping[str, int], texts: Texts) -> dict[str, list[Any]]:
    kinds, marks = list(KINDS), list(MARKS)
    columns: dict[str, list[Any]] = {
        "id": [step.id for step in steps],
        "parent": [places.get(step.parent, -1) for step in steps],
        "text": [texts.add(step.step.text) for step in steps],
        "score": [_rounded(step.score) for step in steps],
        "path": [_rounded(step.node.score) for step in steps],
        "tokens": [step.step.counted_tokens for step in steps],
        "ended": [step.step.ended for step in steps],
        "seed": [str(step.step.seed) for step in steps],
        "temperature": [_rounded(step.step.temperature) for step in steps],
        "cached": [step.step.cached for step in steps],
        "error": [step.step.error for step in steps],
        "kind": [kinds.index(step.kind) for step in steps],
        "marks": [sum([1 << marks.index(mark) for mark in step.marks]) for step in steps],
        "useful": [int(step.useful) + int(step.chosen) for step in steps],
        "copies": [step.copies for step in steps],
        "order": [step.order for step in steps],
        "member": [step.member.answer if step.member is not None else None for step in steps],
        "grade": [step.member.grade.replace("_", " ") if step.member is not None else "" for step in steps],
    }
    if any(step.parts for step in steps):
        columns["parts"] = [{prm: _rounded(value) for prm, value in step.parts.items()} for step in steps]
    return columns


def _frames(tree: SearchTree, places: Mapping[str, int]) -> list[list[Any]]:
    """Kind, words, places of steps, and how many nodes there are then."""
    return [
        [frame.kind, frame_words(tree, frame), [places[each] for each in frame.ids if each != QUESTION], frame.created]
        for frame in tree.frames
    ]


def _member(search: SearchRecord, place: int) -> list[Any]:
    member = search.pool[place]
    grade = member.grade.replace("_", " ")
    return [member.key, member.answer, grade, _rounded(member.score), member.tokens, _rounded(member.weight)]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DECIMALS)
