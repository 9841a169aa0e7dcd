"""From a solution to the choices and the usage of a response."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tt_scale.core.path import Path, best, name
from tt_scale.core.solution import Solution

__all__ = ["Choice", "choices", "details", "usage"]


@dataclass(frozen=True, slots=True)
class Choice:
    """A path as a response shows it.

    Attributes:
        text: of the path, up to a stop of the request.
        finish_reason: "stop" where the path ended by itself or at such a stop, "length" where a limit cut it.
        extension: answer, score and key.
    """

    text: str
    finish_reason: Literal["stop", "length"]
    extension: dict[str, Any]


def choices(solution: Solution, count: int, stop: Sequence[str]) -> list[Choice]:
    """Show the chosen path, then the others of the pool by their score; fewer where the pool has fewer.

    A search without a chosen path shows the best that it has, so that there is always one choice.

    Args:
        solution: of the search.
        count: at least 1.
        stop: texts before which a text ends.
    """
    answers = {path.key: answer for path, answer in zip(solution.outcome.pool, solution.answers, strict=True)}
    first = solution.path or solution.partial
    others = [path for path in solution.outcome.pool if first is None or path.key != first.key]
    paths = [*([first] if first else []), *best(others, len(others))][:count]
    return [_choice(path, answers.get(path.key), stop) for path in paths] or [Choice("", "length", {"answer": None})]


def usage(solution: Solution) -> dict[str, Any]:
    """Count what was computed for all paths; a prompt counts once for each request that had it."""
    spent = solution.usage
    return {
        "prompt_tokens": spent.prompt_tokens,
        "completion_tokens": spent.generated_tokens,
        "total_tokens": spent.prompt_tokens + spent.generated_tokens,
        "prompt_tokens_details": {"cached_tokens": spent.cached_prompt_tokens},
        "completion_tokens_details": {
            "wasted_tokens": solution.wasted_tokens,
            "prm_tokens": spent.prm_tokens,
            "cached_prm_tokens": spent.cached_prm_tokens,
        },
    }


def details(solution: Solution, method: str, not_followed: Sequence[str]) -> dict[str, Any]:
    """What this server adds to a response."""
    return {
        "answer": solution.answer,
        "method": method,
        "stopped": solution.outcome.stopped,
        "pool": len(solution.outcome.pool),
        "problem_id": solution.id,
        "seconds": round(solution.usage.seconds, 6),
        "flops": solution.usage.flops,
        "generator_calls": solution.usage.generator_calls,
        "prm_calls": solution.usage.prm_calls,
        "not_followed": list(not_followed),
    }


def _choice(path: Path, answer: str | None, stop: Sequence[str]) -> Choice:
    text = path.text
    ends = [place for each in stop if (place := text.find(each)) >= 0]
    text = text[: min(ends)] if ends else text
    whole = ends or (path.is_finished and not path.cut)
    extension = {
        "answer": answer,
        "score": path.score if path.scores else None,
        "path": name(path.key),
        "tokens": path.tokens,
    }
    return Choice(text, "stop" if whole else "length", extension)
