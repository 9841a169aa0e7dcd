"""A search method: draw solutions until one of them scores high enough, and keep the best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from tt_scale import Outcome, Path, Searcher, SearchSpace, best

__all__ = ["UntilGood"]


@dataclass(frozen=True)
class UntilGood(Searcher):
    """Draw complete solutions one by one until one scores `bar`, at most N of them.

    Attributes:
        bar: score that is good enough, in [0, 1]; a knob of its own, which `method_args` sets.
        keep: solutions that stay in the pool, the best first; likewise.
        N: most solutions; a key of the configuration, since it has the name of one.
        temperature: of sampling; likewise.
    """

    summary: ClassVar[str] = "complete solutions until one is good enough"
    source: ClassVar[str] = "examples/plugins/until_good_method"

    bar: float = 0.9
    keep: int = 4
    N: int = 16
    temperature: float = 0.8

    def widths(self, budget: int) -> Mapping[str, int]:
        """A budget is a number of solutions."""
        return {"N": budget}

    async def search(self, space: SearchSpace) -> Outcome:
        """Draw one after the other."""
        pool: list[Path] = []
        [root] = space.roots()
        for _ in range(self.N):
            [[path]] = await space.complete([root], temperature=self.temperature)
            pool += [path] if path.is_finished else []
            if path.score >= self.bar or space.exhausted:
                break
        return Outcome(tuple(best(pool, self.keep)), "budget" if space.exhausted else "enough")
