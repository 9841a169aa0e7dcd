"""Diverse verifier tree search: several independent trees, each searched greedily.

Source: Beeching et al. 2024, "Scaling Test-Time Compute with Open Models" (Hugging Face), and its code
`diverse_verifier_tree_search.py`. There the pool holds all children of a tree's last round, also unfinished ones; here
it holds the finished children of every round and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from tt_scale.base_classes import Searcher
from tt_scale.core.path import Outcome, Path, best, finished_children, open_children
from tt_scale.searcher.parts.allocation import paths_and_widths
from tt_scale.space.search_space import SearchSpace

__all__ = ["DVTS"]


@dataclass(frozen=True)
class DVTS(Searcher):
    """Extend `n_beams` trees, each along the best of its own children.

    Attributes:
        n_beams: number of trees, at least 1; None means `keeping_branches`.
        beam_width: children that a tree chooses from at each step; 1 makes independent chains; None means
            `max_total_branches // n_beams`.
        wider_beams: number of trees, from the first, that choose from one additional child, at least 0.
        num_iterations: maximum number of steps of a path; None means `max_steps`.
        temperature: sampling temperature.
    """

    summary: ClassVar[str] = "n_beams independent trees, each of which follows the best of its own children"
    source: ClassVar[str] = "Beeching et al. 2024, Hugging Face, Scaling Test-Time Compute with Open Models"

    n_beams: int | None = None
    beam_width: int | None = None
    wider_beams: int = 0
    num_iterations: int | None = None
    temperature: float = 0.8
    keeping_branches: int = 3
    max_total_branches: int = 9
    max_steps: int = 30

    @property
    def trees(self) -> int:
        """Number of trees."""
        return self.n_beams or self.keeping_branches

    @property
    def width(self) -> int:
        """Children that each tree chooses from."""
        return self.beam_width or max(1, self.max_total_branches // self.trees)

    def widths(self, budget: int) -> Mapping[str, int]:
        """Derive trees and width: one candidate per step, over all trees, for each solution of the budget."""
        trees, width, wider = paths_and_widths(budget)
        uneven = {"wider_beams": wider} if wider or self.wider_beams else {}
        return {"n_beams": trees, "beam_width": width, **uneven}

    async def search(self, space: SearchSpace) -> Outcome:
        """In each tree, follow the best child until it is finished."""
        pool: list[Path] = []
        tips = space.roots(self.trees)
        first = tips[0].key[0]
        for _ in range(self.num_iterations or self.max_steps):
            shares = [self.width + (tip.key[0] - first < self.wider_beams) for tip in tips]
            families = await space.expand(tips, shares, temperature=self.temperature)
            pool += finished_children(families)
            tips = open_children([best(filter(_alive, family), 1) for family in families])
            space.commit(tips, pool)
            if space.exhausted:
                return Outcome(tuple(pool), "budget")
            if not tips:
                return Outcome(tuple(pool), "frontier")
        return Outcome(tuple(pool), "steps")


def _alive(child: Path) -> bool:
    """Whether a child is open or finished, neither truncated nor failed."""
    return child.is_open or child.is_finished
