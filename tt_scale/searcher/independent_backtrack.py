"""Independent backtracking: every path retries on its own.

Source: this project; the specification stands in docs/algorithms.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from tt_scale.base_classes import Searcher
from tt_scale.core.path import Outcome, Path, best
from tt_scale.space.search_space import SearchSpace

__all__ = ["IndependentBacktrack"]


class Branch(NamedTuple):
    """A path of the frontier and how often it was retried."""

    path: Path
    retries: int = 0


@dataclass(frozen=True)
class IndependentBacktrack(Searcher):
    """Each path of the frontier proposes one step, and retries it, wider and hotter, until it passes.

    Attributes:
        tau: score at which a step passes, in [0, 1], or a quantile of first steps' scores: "q0.5".
        tau_relax: taken off `tau` on each retry.
        max_backtracks: retries before a step is rejected.
        expansion_factor: copies of a retried path while the frontier has room.
        max_branches: most paths in the frontier.
        max_finished_branches: finished paths at which the search ends.
        max_steps: most steps of a path, and most jumps that may lead back to a shallower path.
        temp_origin: temperature of a first attempt.
        temp_step: added on each retry.
    """

    summary: ClassVar[str] = "each path retries its own failing step, wider, hotter and with a lower bar each time"
    source: ClassVar[str] = "tt_scale"

    tau: float | str = 0.6
    tau_relax: float = 0.05
    max_backtracks: int = 3
    expansion_factor: int = 2
    max_branches: int = 6
    max_finished_branches: int = 2
    max_steps: int = 30
    temp_origin: float = 0.7
    temp_step: float = 0.1

    def widths(self, budget: int) -> Mapping[str, int]:
        """A frontier as wide as the budget has solutions; a third of that ends the search, as by default."""
        return {"max_branches": budget, "max_finished_branches": max(1, round(budget / 3))}

    async def search(self, space: SearchSpace) -> Outcome:
        """Grow every branch by one step; what fails stays behind and tries again."""
        pool: list[Path] = []
        rejected: list[Path] = []
        jumps: list[Path] = []
        frontier = [Branch(path) for path in space.roots()]
        while True:
            heats = [min(2.0, self.temp_origin + self.temp_step * branch.retries) for branch in frontier]
            retried = [branch.path for branch in frontier if branch.retries]
            if retried:
                space.mark("retry", retried)
            families = await space.expand([branch.path for branch in frontier], 1, temperature=heats)
            following: list[Branch] = []
            for branch, family in zip(frontier, families, strict=True):
                for child in family:
                    self._place(child, branch, following, pool, rejected, space)
            if not following and len(pool) < self.max_finished_branches:
                self._jump(following, pool, rejected, jumps, space)
            frontier = self._pruned(following)
            if len(pool) >= self.max_finished_branches:
                return Outcome(tuple(pool), "enough")
            if space.exhausted:
                return Outcome(tuple(pool), "budget")
            if not frontier:
                return Outcome(tuple(pool), "frontier")

    def _place(
        self,
        child: Path,
        branch: Branch,
        following: list[Branch],
        pool: list[Path],
        rejected: list[Path],
        space: SearchSpace,
    ) -> None:
        """Decide where one child goes: forward, to the pool, back for a retry, or out."""
        alive = child.is_open or child.is_finished
        if alive and space.bar.passes(child, self.tau, self.tau_relax * branch.retries):
            if child.is_open:
                following.append(Branch(child))
            else:
                pool.append(child)
        elif branch.retries < self.max_backtracks:
            space.mark("backtrack", [branch.path])
            copies = self.expansion_factor if len(following) < self.max_branches else 1
            following += [Branch(branch.path, branch.retries + 1)] * copies
        elif alive:
            rejected.append(child)

    def _jump(
        self, following: list[Branch], pool: list[Path], rejected: list[Path], jumps: list[Path], space: SearchSpace
    ) -> None:
        """Accept the best rejected child after all, so that a search always moves on.

        Scores that fall with depth would make it return to shallow children for ever: after `max_steps` jumps it
        only jumps deeper than it last did.
        """
        while rejected and not following and len(pool) < self.max_finished_branches:
            deepest = len(jumps[-1].key) if len(jumps) >= self.max_steps else 0
            chosen = best([child for child in rejected if len(child.key) > deepest], 1)
            if not chosen:
                return
            accepted = chosen[0]
            rejected.remove(accepted)
            jumps.append(accepted)
            space.mark("jump", [accepted])
            if accepted.is_open:
                following.append(Branch(accepted))
            else:
                pool.append(accepted)

    def _pruned(self, branches: Sequence[Branch]) -> list[Branch]:
        ranked = sorted(branches, key=lambda branch: (-branch.path.score, branch.retries, branch.path.key))
        return ranked[: self.max_branches]
