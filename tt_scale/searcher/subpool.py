"""Subpool selection: every prefix stays selectable for good; each round takes the best of several random subpools.

Inspired by Tran et al. 2026 (arXiv 2605.25143), of which only the abstract was at hand: a persistent pool of prefixes
of all depths, and top-N selection inside random subpools, so that an over-scored prefix blocks only its own subpool.
Sizes, discount, ties and the ending rule are ours; numbers of that paper must not be expected of this code.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from tt_scale.base_classes import Searcher
from tt_scale.core.path import Key, Outcome, Path, finished_children, open_children
from tt_scale.errors import ConfigError
from tt_scale.searcher.collective_backtrack import share_evenly
from tt_scale.space.search_space import SearchSpace

__all__ = ["Subpool", "dealt", "standing"]

ROOT_SCORE = 0.5
"""What says nothing yet is neither right nor wrong; the PRM never sees it."""


@dataclass(frozen=True)
class Subpool(Searcher):
    """Choose what to grow from all prefixes there ever were, by score within random subpools.

    Attributes:
        N: children drawn in a round; also the finished paths at which the search ends.
        subpools: random parts of the pool of which each gives its best, at least 1; 1 is global best-first search.
        decay: factor on a prefix's score for each time that it was grown before, in [0, 1]; 1 lets it stay on top,
            0 never comes back while anything else is left.
        temperature: of all samples.
        max_steps: most rounds, and most steps of a path; the last round grows paths to their end.
    """

    summary: ClassVar[str] = "extends the best of random subpools of all prefixes so far (inspired by the paper)"
    source: ClassVar[str] = "inspired by Tran et al. 2026, arXiv 2605.25143 (abstract only)"

    N: int = 4
    subpools: int = 4
    decay: float | None = None
    temperature: float = 0.8
    max_steps: int = 30

    def __post_init__(self) -> None:
        if self.subpools < 1:
            raise ConfigError(f"subpools is {self.subpools}; it is at least 1.")
        if not 0 <= self.discount <= 1:
            raise ConfigError(f"decay is {self.decay}; it lies between 0 and 1.")

    @property
    def discount(self) -> float:
        """`decay`, 0.5 where it is unset."""
        return 0.5 if self.decay is None else self.decay

    def widths(self, budget: int) -> Mapping[str, int]:
        """Two thirds of the budget: about a third is spent on coming back to earlier prefixes."""
        return {"N": max(1, round(2 * budget / 3))}

    async def search(self, space: SearchSpace) -> Outcome:
        """Grow the chosen prefixes; parents stay in the pool beside their children."""
        random = space.random("subpools")
        pool: list[Path] = []
        prefixes = space.roots()
        grown: Counter[Key] = Counter()
        for number in range(self.max_steps):
            grow = space.expand if number < self.max_steps - 1 else space.complete  # the last round leaves none open
            chosen = self._chosen(prefixes, grown, random)
            self._mark(space, chosen, grown)
            families = await grow(chosen, share_evenly(chosen, self.N), temperature=self.temperature)
            pool += finished_children(families)
            prefixes += open_children(families)
            if len(pool) >= self.N:
                return Outcome(tuple(pool), "enough")
            if space.exhausted:
                return Outcome(tuple(pool), "budget")
        return Outcome(tuple(pool), "steps")

    @staticmethod
    def _mark(space: SearchSpace, chosen: Sequence[Path], grown: Counter[Key]) -> None:
        """Count how often each prefix was grown; to grow one again is to backtrack."""
        if returning := [path for path in chosen if grown[path.key]]:
            space.mark("backtrack", returning)
        grown.update([path.key for path in chosen])

    def _chosen(self, prefixes: Sequence[Path], grown: Counter[Key], random: Random) -> list[Path]:
        """Take the best of each subpool, N prefixes in all where there are so many."""
        parts = dealt(prefixes, min(self.subpools, self.N), random)
        share, more = divmod(self.N, len(parts))
        chosen: list[Path] = []
        for number, part in enumerate(parts):
            ranked = sorted(part, key=lambda path: standing(path, grown[path.key], self.discount))
            chosen += ranked[: share + (number < more)]
        return chosen


def standing(path: Path, times: int, decay: float) -> tuple[float, int, int, Key]:
    """Sort prefixes, best first: by discounted score, then what was grown less often, then what is deeper.

    Args:
        path: an open one.
        times: that it was grown before.
        decay: factor on the score for each of them.
    """
    score = path.score if path.steps else ROOT_SCORE
    return (-score * decay**times, times, -len(path.key), path.key)


def dealt(prefixes: Sequence[Path], parts: int, random: Random) -> list[list[Path]]:
    """Shuffle and deal into parts whose sizes differ by one at most; none is empty."""
    shuffled = [path for _, path in sorted([(random.random(), path) for path in prefixes], key=lambda pair: pair[0])]
    parts = min(parts, len(shuffled))
    return [shuffled[part::parts] for part in range(parts)]
