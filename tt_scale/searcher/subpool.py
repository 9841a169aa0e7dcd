"""Subpool selection: keep every prefix in a persistent pool; each round expands the best of several random subpools.

Inspired by Tran et al. 2026 (arXiv 2605.25143), of which only the abstract was available: a persistent pool of prefixes
of all depths, and top-N selection inside random subpools, so that an over-scored prefix affects only its own subpool.
Sizes, discount, ties and the stopping rule are ours; do not expect the results of that paper from this code.
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
"""Score of the root, which has no steps for the PRM to score."""


@dataclass(frozen=True)
class Subpool(Searcher):
    """Choose the prefixes to expand from all prefixes so far, by score within random subpools.

    Attributes:
        N: children sampled per round; also the number of finished paths at which the search ends.
        subpools: random parts of the pool, each of which contributes its best prefixes, at least 1; 1 is global
            best-first search.
        decay: factor on a prefix's score for each earlier expansion, in [0, 1]; 1 applies no discount, 0 returns to a
            prefix only where nothing else is left; None is 0.5.
        temperature: sampling temperature.
        max_steps: maximum number of rounds, and of steps of a path; the last round completes its paths.
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
        """Set N to two thirds of the budget; about a third is spent on expanding earlier prefixes again."""
        return {"N": max(1, round(2 * budget / 3))}

    async def search(self, space: SearchSpace) -> Outcome:
        """Expand the chosen prefixes; parents stay in the pool beside their children."""
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
        """Count the expansions of each prefix; expanding one again is marked as backtracking."""
        if returning := [path for path in chosen if grown[path.key]]:
            space.mark("backtrack", returning)
        grown.update([path.key for path in chosen])

    def _chosen(self, prefixes: Sequence[Path], grown: Counter[Key], random: Random) -> list[Path]:
        """The best prefixes of each subpool, at most N in all."""
        parts = dealt(prefixes, min(self.subpools, self.N), random)
        share, more = divmod(self.N, len(parts))
        chosen: list[Path] = []
        for number, part in enumerate(parts):
            ranked = sorted(part, key=lambda path: standing(path, grown[path.key], self.discount))
            chosen += ranked[: share + (number < more)]
        return chosen


def standing(path: Path, times: int, decay: float) -> tuple[float, int, int, Key]:
    """Sort key of a prefix, best first: by discounted score, then fewer expansions, then depth.

    Args:
        path: an open path.
        times: number of its earlier expansions.
        decay: factor on the score for each of them.
    """
    score = path.score if path.steps else ROOT_SCORE
    return (-score * decay**times, times, -len(path.key), path.key)


def dealt(prefixes: Sequence[Path], parts: int, random: Random) -> list[list[Path]]:
    """Partition prefixes at random into non-empty parts whose sizes differ by at most one."""
    shuffled = [path for _, path in sorted([(random.random(), path) for path in prefixes], key=lambda pair: pair[0])]
    parts = min(parts, len(shuffled))
    return [shuffled[part::parts] for part in range(parts)]
