"""Collective backtracking: all paths go on together, or all step back together.

Source: this project; the specification stands in docs/algorithms.md. Temperature rises with every retry, so that a
retry proposes what the last attempt did not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from tt_scale.base_classes import Searcher
from tt_scale.path import Outcome, Path, best
from tt_scale.space import SearchSpace

__all__ = ["CollectiveBacktrack", "share_evenly", "surviving_parents"]


@dataclass(frozen=True)
class CollectiveBacktrack(Searcher):
    """Go on when enough steps pass, otherwise try again from fewer and better parents.

    Attributes:
        tau: score at which a step passes, in [0, 1], or a quantile of first steps' scores: "q0.5".
        passing_minimum: passing steps needed to go on; also the number of roots.
        max_total_branches: children of a retry, over all paths.
        keeping_branches: paths kept when the search goes on.
        max_backtracks: retries before a jump, on which every step passes.
        backtrack: False keeps what passes, or the best where nothing does, and never retries.
        backtrack_depth: before a jump, step back to the parents' parents, once for each level above 1.
        always_expand: propose `max_total_branches` children on first attempts too.
        max_steps: most steps of a path, and most steps back in a search, which could go in circles.
        N: finished paths at which the search ends.
        temp_origin: temperature of a first attempt.
        temp_step: added on each retry.
    """

    summary: ClassVar[str] = "all paths go on together once enough steps pass tau, else all backtrack together"
    source: ClassVar[str] = "tt_scale"

    tau: float | str = 0.6
    passing_minimum: int = 3
    max_total_branches: int = 9
    keeping_branches: int = 3
    max_backtracks: int = 3
    backtrack: bool = True
    backtrack_depth: int = 1
    always_expand: bool = False
    max_steps: int = 30
    N: int = 4
    temp_origin: float = 0.7
    temp_step: float = 0.1

    def widths(self, budget: int) -> Mapping[str, int]:
        """A retry proposes as many children as the budget has solutions; a third of that is kept, as by default."""
        third = max(1, round(budget / 3))
        return {"max_total_branches": budget, "keeping_branches": third, "passing_minimum": third, "N": budget}

    async def search(self, space: SearchSpace) -> Outcome:
        """Attempt, then commit, backtrack, step back or jump."""
        pool: list[Path] = []
        protected: list[Path] = []
        frontier, attempt = space.roots(self.passing_minimum), 0
        above: dict[tuple[int, ...], Path] = {}  # a path's key to the path that it grew from
        depth, returns = 1, 0  # levels that were stepped back since the last commit, and times in all
        while True:
            jump = attempt > self.max_backtracks
            if attempt:
                space.mark("jump" if jump else "retry", frontier)
            families = await space.expand(frontier, self._shares(frontier, attempt), temperature=self._heat(attempt))
            above |= {child.key: parent for parent, family in zip(frontier, families, strict=True) for child in family}
            passing = [child for family in families for child in family if self._passes(child, jump, space)]
            if not self.backtrack and not passing:
                passing = best(
                    [child for family in families for child in family if _alive(child)], self.keeping_branches
                )
            pool += [child for child in passing if child.is_finished]
            if jump or not self.backtrack or len(passing) + len(protected) >= self.passing_minimum:
                frontier = best([*(child for child in passing if child.is_open), *protected], self.keeping_branches)
                protected, attempt, depth = [], 0, 1
            else:
                space.mark("backtrack", frontier)
                protected += [child for child in passing if child.is_open]
                frontier = surviving_parents(frontier, families, self._kept(attempt))
                attempt += 1
                steps_back = depth < self.backtrack_depth and returns < self.max_steps and frontier[0].steps
                if attempt > self.max_backtracks and steps_back:
                    frontier, attempt, depth, returns = _step_back(frontier, above), 0, depth + 1, returns + 1
            if len(pool) >= self.N:
                return Outcome(tuple(pool), "enough")
            if space.exhausted:
                return Outcome(tuple(pool), "budget")
            if not frontier:
                return Outcome(tuple(pool), "frontier")

    def _passes(self, child: Path, jump: bool, space: SearchSpace) -> bool:
        return _alive(child) and (jump or space.bar.passes(child, self.tau))

    def _heat(self, attempt: int) -> float:
        return min(2.0, self.temp_origin + self.temp_step * attempt)

    def _shares(self, frontier: Sequence[Path], attempt: int) -> list[int]:
        if attempt or self.always_expand:
            return share_evenly(frontier, self.max_total_branches)
        return [1] * len(frontier)

    def _kept(self, attempt: int) -> int:
        """ceil(keeping_branches * (1 - (attempt + 1) / (max_backtracks + 1))), at least one, in whole numbers."""
        if not self.max_backtracks:
            return 1
        return max(1, -(-self.keeping_branches * (self.max_backtracks - attempt) // (self.max_backtracks + 1)))


def share_evenly(frontier: Sequence[Path], width: int) -> list[int]:
    """Split `width` children over paths as evenly as whole numbers allow; the better-scored get the remainder.

    Returns:
        Children of each path [paths], in the order of the paths; they sum to `width`.
    """
    share, remainder = divmod(width, len(frontier))
    favoured = {path.key for path in best(frontier, remainder)}
    return [share + (path.key in favoured) for path in frontier]


def surviving_parents(frontier: Sequence[Path], families: Sequence[Sequence[Path]], count: int) -> list[Path]:
    """Keep the parents with the best mean child score; a parent without children comes last."""

    def rank(pair: tuple[Path, Sequence[Path]]) -> tuple[float, tuple[int, ...]]:
        parent, family = pair
        mean = sum([child.score for child in family]) / len(family) if family else -1.0
        return (-mean, parent.key)

    return [parent for parent, _ in sorted(zip(frontier, families, strict=True), key=rank)[:count]]


def _alive(child: Path) -> bool:
    """Truncated and failed paths never pass."""
    return child.is_open or child.is_finished


def _step_back(frontier: Sequence[Path], above: dict[tuple[int, ...], Path]) -> list[Path]:
    """Give the paths that these grew from, each once."""
    return list({above[path.key].key: above[path.key] for path in frontier if path.key in above}.values())
