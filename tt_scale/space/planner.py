"""Plans children: their numbers, what they continue, how far they may grow, and which go first."""

from __future__ import annotations

from collections.abc import Sequence

from tt_scale.config import Config
from tt_scale.core.path import Key, Path
from tt_scale.space.candidate import Birth, Bound

__all__ = ["Planner", "best_first"]


class Planner:
    """Plans the children of one problem's paths.

    Args:
        config: limits are taken from it.
        prompt: token ids, fewer than the context [length].
        context: most tokens of prompt and solution together.
        max_steps: most steps of a path; the last of them grows to the end.
    """

    def __init__(self, config: Config, prompt: tuple[int, ...], context: int, max_steps: int) -> None:
        self.max_steps = max_steps
        self._config = config
        self._prompt = prompt
        self._room = context - len(prompt)
        self._children: dict[Key, int] = {}

    @property
    def most_tokens(self) -> int:
        """Most tokens of one solution."""
        return min(self._config.max_tokens, self._room)

    def births(self, family: int, path: Path, count: int, temperature: float, *, whole: bool) -> list[Birth]:
        """Plan `count` children of an open path, numbered on from those that it had before."""
        if not path.is_open:
            raise ValueError(f"path {path.key} is {path.state} and cannot grow")
        ids = self._prompt + path.ids
        whole = whole or len(path.key) >= self.max_steps
        limit, bound = self._limit(path, whole=whole)
        first = self._children.get(path.key, 0)
        self._children[path.key] = first + count
        return [Birth(family, path, first + number, ids, temperature, limit, bound, whole) for number in range(count)]

    def again(self, birth: Birth) -> Birth:
        """Plan one more child where a birth was."""
        return self.births(birth.family, birth.parent, 1, birth.temperature, whole=True)[0]

    def to_the_end(self, birth: Birth) -> int:
        """Most tokens that a birth would need to grow to its end."""
        return self._limit(birth.parent, whole=True)[0]

    def complete(self, births: Sequence[Birth]) -> None:
        """Let births grow to their end that were planned as steps."""
        for birth in births:
            birth.limit, birth.bound = self._limit(birth.parent, whole=True)
            birth.whole = True

    def _limit(self, path: Path, *, whole: bool) -> tuple[int, Bound]:
        """Most tokens of a path's next child, and what the number comes from."""
        grown = path.tokens
        limit = self._config.max_tokens - grown
        if not whole:
            limit = min(limit, self._step_limit(path))
        room = self._room - grown
        return min(limit, room), "length" if limit <= room else "context"

    def _step_limit(self, path: Path) -> int:
        """Most tokens of the next step, blank ones that are merged into it included: whole ones of fixed length."""
        config = self._config
        limit = config.k_tokens * (2 if config.warmup and not path.steps else 1)
        return limit - limit % (config.step_tokens or 1)


def best_first(births: Sequence[Birth]) -> list[Birth]:
    """First children before second ones, those of better parents before those of worse ones."""
    first: dict[int, int] = {}
    for birth in births:
        first.setdefault(birth.family, birth.child_number)
    return sorted(
        births,
        key=lambda birth: (birth.child_number - first[birth.family], -birth.parent.score, birth.parent.key),
    )
