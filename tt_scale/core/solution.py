"""Result of solving one question."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from tt_scale.core.budget import Usage
from tt_scale.core.path import Outcome, Path, name

__all__ = ["Solution", "solution_record"]


@dataclass(frozen=True, slots=True)
class Solution:
    """Answer to a question, with the search that produced it.

    Attributes:
        answer: final answer, or None if no path states one.
        path: path that the selector chose, or None.
        outcome: whole pool, and why the search ended.
        usage: cost, including the first steps from which a quantile as `tau` is estimated.
        id: id of the question, from which its seeds are derived.
        question: text of the question.
        partial: best path of the tree if no path was chosen; None if nothing was sampled.
        answers: final answer of each path of the pool, or None [paths].
        wasted_tokens: generated tokens that are on no path of the pool.
        error: error message, or empty; only `Solver.solve_many` returns solutions with one.
    """

    answer: str | None
    path: Path | None
    outcome: Outcome
    usage: Usage
    id: str = ""
    question: str = ""
    partial: Path | None = None
    answers: tuple[str | None, ...] = ()
    wasted_tokens: int = 0
    error: str = ""

    @property
    def text(self) -> str:
        """The text of the chosen path, else of the best one; empty if nothing was sampled."""
        path = self.path or self.partial
        return path.text if path else ""


def solution_record(solution: Solution) -> dict[str, Any]:
    """Write a solution down for JSON: answer, chosen path, pool and cost; both first are null without an answer."""
    path = solution.path
    return {
        "answer": solution.answer,
        "path": None if path is None else _path(path),
        "pool": [_path(each) for each in solution.outcome.pool],
        "stopped": solution.outcome.stopped,
        "usage": asdict(solution.usage),
    }


def _path(path: Path) -> dict[str, object]:
    return {
        "key": name(path.key),
        "score": path.score if path.scores else None,
        "scores": list(path.scores),
        "steps": [step.text for step in path.steps],
        "tokens": path.tokens,
    }
