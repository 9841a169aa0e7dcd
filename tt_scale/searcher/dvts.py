"""Diverse verifier tree search: several greedy trees that know nothing of each other.

Source: Beeching et al. 2024, "Scaling Test-Time Compute with Open Models" (Hugging Face), and its code
`diverse_verifier_tree_search.py`. There a tree hands in all children of its last round, unfinished ones too; here
every finished child of any round goes to the pool and nothing else does.
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
    """Grow `n_beams` trees, each along the best of its own children.

    Attributes:
        n_beams: trees, at least 1; None means `keeping_branches`.
        beam_width: children that a tree chooses from at each step; 1 makes independent chains; None means
            `max_total_branches // n_beams`.
        wider_beams: how many trees, the first ones, choose from one child more, at least 0.
        num_iterations: most steps of a path; None means `max_steps`.
        temperature: of all samples.
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
        """How many there are."""
        return self.n_beams or self.keeping_branches

    @property
    def width(self) -> int:
        """Children that each tree chooses from."""
        return self.beam_width or max(1, self.max_total_branches // self.trees)

    def widths(self, budget: int) -> Mapping[str, int]:
        """As many candidates a step, over all trees, as the budget has solutions."""
        trees, width, wider = paths_and_widths(budget)
        uneven = {"wider_beams": wider} if wider or self.wider_beams else {}
        return {"n_beams": trees, "beam_width": width, **uneven}

    async def search(self, space: SearchSpace) -> Outcome:
        """In each tree follow the best child until that one is finished."""
        pool: list[Path] = []
        tips = space.roots(self.trees)
        first = tips[0].key[0]
        for _ in range(self.num_iterations or self.max_steps):
            shares = [self.width + (tip.key[0] - first < self.wider_beams) for tip in tips]
            families = await space.expand(tips, shares, temperature=self.temperature)
            pool += finished_children(families)
            tips = open_children([best(filter(_alive, family), 1) for family in families])
            if space.exhausted:
                return Outcome(tuple(pool), "budget")
            if not tips:
                return Outcome(tuple(pool), "frontier")
        return Outcome(tuple(pool), "steps")


def _alive(child: Path) -> bool:
    """Truncated and failed paths are no way on."""
    return child.is_open or child.is_finished
