"""Greedy decoding: the model's answer without search, the baseline of every table.

Source: the "0-shot, temperature 0" baseline of model cards; nothing is sampled, so seeds and repeats have no effect.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tt_scale.base_classes import Searcher
from tt_scale.core.path import Outcome
from tt_scale.space.search_space import SearchSpace

__all__ = ["Greedy"]


@dataclass(frozen=True)
class Greedy(Searcher):
    """Decode one solution at temperature 0; there are no knobs."""

    summary: ClassVar[str] = "one solution at temperature 0"
    source: ClassVar[str] = "greedy decoding, the usual baseline"
    selector: ClassVar[str] = "first"
    uses_prm: ClassVar[bool] = False
    whole_answers: ClassVar[bool] = True

    async def search(self, space: SearchSpace) -> Outcome:
        """Complete the root once."""
        [solutions] = await space.complete(space.roots(), 1, temperature=0.0)
        pool = tuple([path for path in solutions if path.is_finished])
        if pool:
            return Outcome(pool, "enough")
        return Outcome((), "budget" if space.exhausted else "frontier")
