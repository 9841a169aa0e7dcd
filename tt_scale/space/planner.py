"""Plan children: their numbers, prompts, token limits and priority."""

from __future__ import annotations

from collections.abc import Sequence

from tt_scale.config import Config
from tt_scale.core.path import Key, Path
from tt_scale.space.candidate import Bound, ChildCandidate

__all__ = ["Planner", "best_first"]


class Planner:
    """Planner of the children of one problem's paths.

    Args:
        config: limits.
        prompt: token ids, fewer than the context [length].
        context: maximum number of tokens of prompt and solution together.
        max_steps: maximum number of steps of a path; the last one is extended to the end.
    """

    def __init__(self, config: Config, prompt: tuple[int, ...], context: int, max_steps: int) -> None:
        self.max_steps = max_steps
        self._config = config
        self._prompt = prompt
        self._room = context - len(prompt)
        self._children: dict[Key, int] = {}

    @property
    def most_tokens(self) -> int:
        """Maximum number of tokens of a solution."""
        return min(self._config.max_tokens, self._room)

    def candidates(
        self, family: int, path: Path, count: int, temperature: float, *, whole: bool
    ) -> list[ChildCandidate]:
        """Plan `count` further children of an open path."""
        if not path.is_open:
            raise ValueError(f"path {path.key} is {path.state} and cannot grow")
        ids = self._prompt + path.ids
        whole = whole or len(path.key) >= self.max_steps
        limit, bound = self._limit(path, whole=whole)
        first = self._children.get(path.key, 0)
        self._children[path.key] = first + count
        return [
            ChildCandidate(family, path, first + number, ids, temperature, limit, bound, whole)
            for number in range(count)
        ]

    def replacement(self, candidate: ChildCandidate) -> ChildCandidate:
        """Plan one more child in place of a candidate."""
        return self.candidates(candidate.family, candidate.parent, 1, candidate.temperature, whole=True)[0]

    def tokens_to_end(self, candidate: ChildCandidate) -> int:
        """Maximum number of tokens with which a candidate reaches its end."""
        return self._limit(candidate.parent, whole=True)[0]

    def extend_to_end(self, candidates: Sequence[ChildCandidate]) -> None:
        """Extend candidates to their end that were planned as steps."""
        for candidate in candidates:
            candidate.limit, candidate.bound = self._limit(candidate.parent, whole=True)
            candidate.whole = True

    def _limit(self, path: Path, *, whole: bool) -> tuple[int, Bound]:
        """Token limit of a path's next child, and which limit determines it."""
        grown = path.tokens
        limit = self._config.max_tokens - grown
        if not whole:
            limit = min(limit, self._step_limit(path))
        room = self._room - grown
        return min(limit, room), "length" if limit <= room else "context"

    def _step_limit(self, path: Path) -> int:
        """Token limit of the next step, including merged blank ones; a multiple of a fixed step length."""
        config = self._config
        limit = config.k_tokens * (2 if config.warmup and not path.steps else 1)
        return limit - limit % (config.step_tokens or 1)


def best_first(candidates: Sequence[ChildCandidate]) -> list[ChildCandidate]:
    """Sort candidates: first children before second ones, then by the score of the parent."""
    first: dict[int, int] = {}
    for candidate in candidates:
        first.setdefault(candidate.family, candidate.child_number)
    return sorted(
        candidates,
        key=lambda candidate: (
            candidate.child_number - first[candidate.family],
            -candidate.parent.score,
            candidate.parent.key,
        ),
    )
