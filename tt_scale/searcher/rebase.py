"""REBASE: at every depth, split the remaining width over the open paths by a softmax of their scores.

Source: Wu et al. 2024, "Inference Scaling Laws" (arXiv 2408.00724), with the sequential ceiling of its code in place
of the paper's rounding. There a path that reaches a token limit uses up width; here only a finished one does, so that
the width of a truncated path is allocated again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from tt_scale.base_classes import Searcher
from tt_scale.core.path import Outcome, Path, finished_children, open_children
from tt_scale.errors import ConfigError
from tt_scale.searcher.parts.allocation import rebase_split
from tt_scale.space.search_space import SearchSpace

__all__ = ["Rebase"]


@dataclass(frozen=True)
class Rebase(Searcher):
    """Allocate children to open paths by score.

    Attributes:
        N: the width: finished solutions at which the search ends, and children of the root.
        balance_temperature: temperature of the softmax over scores, above 0; a small value is greedy, infinity splits
            evenly; None is 0.2.
        temperature: sampling temperature.
        max_steps: maximum number of steps of a path.
    """

    summary: ClassVar[str] = "divides the remaining width over open paths by a softmax of their scores"
    source: ClassVar[str] = "Wu et al. 2024, arXiv 2408.00724"
    selector: ClassVar[str] = "weighted"

    N: int = 4
    balance_temperature: float | None = None
    temperature: float = 0.8
    max_steps: int = 30

    def __post_init__(self) -> None:
        if not self.balance > 0:
            raise ConfigError(f"balance_temperature is {self.balance_temperature}; it lies above 0.", "Usual: 0.2.")

    @property
    def balance(self) -> float:
        """`balance_temperature`, 0.2 where it is unset."""
        return 0.2 if self.balance_temperature is None else self.balance_temperature

    def widths(self, budget: int) -> Mapping[str, int]:
        """Set N to the budget."""
        return {"N": budget}

    async def search(self, space: SearchSpace) -> Outcome:
        """Sample the allocated children, move finished ones to the pool, allocate the remaining width."""
        pool: list[Path] = []
        frontier, shares = space.roots(), [self.N]
        for _ in range(self.max_steps):
            families = await space.expand(frontier, shares, temperature=self.temperature)
            pool += finished_children(families)
            if len(pool) >= self.N:
                return Outcome(tuple(pool), "enough")
            if space.exhausted:
                return Outcome(tuple(pool), "budget")
            frontier = open_children(families)
            space.commit(frontier, pool)
            if not frontier:
                return Outcome(tuple(pool), "frontier")
            split = self._split(frontier, self.N - len(pool))
            frontier = [path for path, share in zip(frontier, split, strict=True) if share]
            shares = [share for share in split if share]
        return Outcome(tuple(pool), "steps")

    def _split(self, opened: Sequence[Path], width: int) -> list[int]:
        return rebase_split([path.score for path in opened], width, self.balance)
