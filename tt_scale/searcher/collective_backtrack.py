"""Collective backtracking: all paths advance together, or all backtrack together.

Source: this project; specified in docs/algorithms.md. The temperature rises with every retry, so that a retry proposes
other steps than the last attempt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from tt_scale.base_classes import Searcher
from tt_scale.core.path import Key, Outcome, Path, Stopped, best
from tt_scale.space.search_space import SearchSpace

__all__ = ["CollectiveBacktrack", "share_evenly"]


@dataclass(slots=True)
class Front:
    """The state of a search.

    Attributes:
        paths: paths to expand next.
        attempt: retries since the last commit.
        protected: children that passed on one of these attempts.
        levels: levels stepped back since the last commit.
        returns: levels stepped back in the whole search.
        parents: parent of each path, by the path's key.
    """

    paths: list[Path]
    attempt: int = 0
    protected: list[Path] = field(default_factory=list)
    levels: int = 0
    returns: int = 0
    parents: dict[Key, Path] = field(default_factory=dict)

    def go_on(self, paths: list[Path]) -> None:
        """Commit to these paths."""
        self.paths, self.protected, self.attempt, self.levels = paths, [], 0, 0

    def step_back(self) -> None:
        """Return to the parents of the current paths, each once; roots have no parent and stay."""
        above = {self.parents[path.key].key: self.parents[path.key] for path in self.paths if path.steps}
        if above:
            self.paths, self.attempt = list(above.values()), 0
            self.levels, self.returns = self.levels + 1, self.returns + 1

    def returnable(self, levels: int) -> list[Path]:
        """The paths from which the search goes on if it steps back so many levels."""
        paths = [*self.paths, *self.protected]
        for _ in range(levels):
            paths = [self.parents.get(path.key, path) for path in paths]
        return paths


@dataclass(frozen=True)
class CollectiveBacktrack(Searcher):
    """Advance when enough steps pass; otherwise retry from fewer and better parents.

    Attributes:
        tau: score at which a step passes, in [0, 1], or a quantile of first steps' scores: "q0.5".
        passing_minimum: passing steps needed to advance; also the number of roots.
        max_total_branches: children of a retry, over all paths.
        keeping_branches: paths kept when the search advances.
        max_backtracks: retries before a jump, on which every step passes.
        backtrack: False keeps what passes, or the best where nothing does, and never retries.
        backtrack_depth: before a jump, step back to the parents' parents, once for each level above 1.
        always_expand: propose `max_total_branches` children on first attempts too.
        max_steps: most steps of a path, and most steps back in a search, which could go in circles.
        N: number of finished paths at which the search ends.
        temp_origin: temperature of a first attempt.
        temp_step: temperature added on each retry.
    """

    summary: ClassVar[str] = "all paths advance together once enough steps pass tau; otherwise all backtrack together"
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
        """Derive the widths: a retry proposes one child per solution of the budget; a third is kept, as by default."""
        third = max(1, round(budget / 3))
        return {"max_total_branches": budget, "keeping_branches": third, "passing_minimum": third, "N": budget}

    async def search(self, space: SearchSpace) -> Outcome:
        """Attempt a step, then advance or backtrack, until enough paths have finished or none is left."""
        pool: list[Path] = []
        front = Front(space.roots(self.passing_minimum))
        while True:
            families = await self._attempt(space, front)
            passing = self._passing(space, front, families)
            pool += [child for child in passing if child.is_finished]
            opened = [child for child in passing if child.is_open]
            if self._enough(front, passing):
                front.go_on(best([*opened, *front.protected], self.keeping_branches))
            else:
                space.mark("backtrack", front.paths)
                front.protected += opened
                self._backtrack(front, families)
            space.commit(front.returnable(self._returns), pool)
            if stopped := self._stopped(space, pool, front):
                return Outcome(tuple(pool), stopped)

    async def _attempt(self, space: SearchSpace, front: Front) -> list[list[Path]]:
        """1. Expand: one child per path at first, `max_total_branches` in all on a retry, at rising temperature."""
        if front.attempt:
            space.mark("jump" if self._jumps(front) else "retry", front.paths)
        wide = front.attempt or self.always_expand
        shares = share_evenly(front.paths, self.max_total_branches) if wide else [1] * len(front.paths)
        temperature = min(2.0, self.temp_origin + self.temp_step * front.attempt)
        families = await space.expand(front.paths, shares, temperature=temperature)
        for parent, family in zip(front.paths, families, strict=True):
            front.parents.update({child.key: parent for child in family})
        return families

    def _passing(self, space: SearchSpace, front: Front, families: Sequence[Sequence[Path]]) -> list[Path]:
        """2. Select the children that reach `tau`; all on a jump; the best where none passes and retries are off."""
        alive = [child for family in families for child in family if child.is_open or child.is_finished]
        passing = alive if self._jumps(front) else [child for child in alive if space.bar.passes(child, self.tau)]
        return passing if passing or self.backtrack else best(alive, self.keeping_branches)

    def _enough(self, front: Front, passing: Sequence[Path]) -> bool:
        """3. Whether the search advances with the passing children."""
        enough = len(passing) + len(front.protected) >= self.passing_minimum
        return enough or self._jumps(front) or not self.backtrack

    def _backtrack(self, front: Front, families: Sequence[Sequence[Path]]) -> None:
        """4. Keep fewer and better parents; after the last retry, return to their parents."""
        front.paths = surviving_parents(front.paths, families, self._kept(front.attempt))
        front.attempt += 1
        if self._jumps(front) and front.levels < self.backtrack_depth - 1 and front.returns < self.max_steps:
            front.step_back()

    def _stopped(self, space: SearchSpace, pool: Sequence[Path], front: Front) -> Stopped | None:
        """5. The reason why the search ends, or None."""
        if len(pool) >= self.N:
            return "enough"
        if space.exhausted:
            return "budget"
        return None if front.paths else "frontier"

    @property
    def _returns(self) -> int:
        """Most levels by which a search can go up again: advancing by one level allows for the same number anew."""
        return self.backtrack_depth - 1 if self.backtrack_depth <= 2 else self.max_steps

    def _jumps(self, front: Front) -> bool:
        return front.attempt > self.max_backtracks

    def _kept(self, attempt: int) -> int:
        """ceil(keeping_branches * (1 - (attempt + 1) / (max_backtracks + 1))), at least 1, in integer arithmetic."""
        if not self.max_backtracks:
            return 1
        return max(1, -(-self.keeping_branches * (self.max_backtracks - attempt) // (self.max_backtracks + 1)))


def share_evenly(frontier: Sequence[Path], width: int) -> list[int]:
    """Split `width` children over paths as evenly as integers allow; the remainder goes to the best-scored paths.

    Returns:
        Number of children of each path, in the order of the paths [paths]; the numbers sum to `width`.
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
