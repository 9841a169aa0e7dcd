"""Independent backtracking: every path retries on its own.

Source: this project; specified in docs/algorithms.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

from tt_scale.base_classes import Searcher
from tt_scale.core.path import Outcome, Path, Stopped, best
from tt_scale.space.search_space import SearchSpace

__all__ = ["IndependentBacktrack"]


class Branch(NamedTuple):
    """A path of the frontier with its number of retries."""

    path: Path
    retries: int = 0


@dataclass(slots=True)
class Front:
    """The state of a search.

    Attributes:
        branches: paths to expand next.
        pool: finished paths that passed or were accepted by a jump.
        rejected: children that failed after the last retry.
        jumps: rejected children that were accepted later, in order.
    """

    branches: list[Branch]
    pool: list[Path] = field(default_factory=list)
    rejected: list[Path] = field(default_factory=list)
    jumps: list[Path] = field(default_factory=list)

    def accept(self, child: Path) -> None:
        """Continue from an open child; add a finished one to the pool."""
        if child.is_open:
            self.branches.append(Branch(child))
        else:
            self.pool.append(child)


@dataclass(frozen=True)
class IndependentBacktrack(Searcher):
    """Propose one step per frontier path; retry it with more copies and a higher temperature until it passes.

    Attributes:
        tau: score at which a step passes, in [0, 1], or a quantile of first steps' scores: "q0.5".
        tau_relax: subtracted from `tau` on each retry.
        max_backtracks: retries before a step is rejected.
        expansion_factor: copies of a retried path while the frontier has room.
        max_branches: maximum number of paths in the frontier.
        max_finished_branches: number of finished paths at which the search ends.
        max_steps: maximum number of steps of a path, and of jumps that may return to a shallower path.
        temp_origin: temperature of a first attempt.
        temp_step: temperature added on each retry.
    """

    summary: ClassVar[str] = "each path retries its own failing step with more copies, higher temperature, lower tau"
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
        """Set the frontier's width to the budget; a third of it ends the search, as by default."""
        return {"max_branches": budget, "max_finished_branches": max(1, round(budget / 3))}

    async def search(self, space: SearchSpace) -> Outcome:
        """Attempt one step of every branch, place the children, jump where no branch is left, prune."""
        front = Front([Branch(path) for path in space.roots()])
        while True:
            attempts, families = front.branches, await self._attempt(space, front.branches)
            front.branches = []
            for branch, family in zip(attempts, families, strict=True):
                for child in family:
                    self._place(space, front, branch, child)
            self._jump(space, front)
            front.branches = self._pruned(front.branches)
            space.commit([*[branch.path for branch in front.branches], *front.rejected], front.pool)
            if stopped := self._stopped(space, front):
                return Outcome(tuple(front.pool), stopped)

    async def _attempt(self, space: SearchSpace, branches: Sequence[Branch]) -> list[list[Path]]:
        """1. Expand: one child per branch; the temperature rises with the branch's retries."""
        if retried := [branch.path for branch in branches if branch.retries]:
            space.mark("retry", retried)
        temperatures = [min(2.0, self.temp_origin + self.temp_step * branch.retries) for branch in branches]
        return await space.expand([branch.path for branch in branches], 1, temperature=temperatures)

    def _place(self, space: SearchSpace, front: Front, branch: Branch, child: Path) -> None:
        """2, 3. Accept a child that passes; otherwise retry its parent; reject it after the last retry."""
        alive = child.is_open or child.is_finished
        if alive and space.bar.passes(child, self.tau, self.tau_relax * branch.retries):
            front.accept(child)
        elif branch.retries < self.max_backtracks:
            space.mark("backtrack", [branch.path])
            copies = self.expansion_factor if len(front.branches) < self.max_branches else 1
            front.branches += [Branch(branch.path, branch.retries + 1)] * copies
        elif alive:
            front.rejected.append(child)

    def _jump(self, space: SearchSpace, front: Front) -> None:
        """4. Accept the best rejected child where no branch is left, so that the search always progresses.

        Where scores fall with depth, it would return to shallow children indefinitely; after `max_steps` jumps, each
        jump must therefore be deeper than the last one.
        """
        while not front.branches and len(front.pool) < self.max_finished_branches:
            deepest = len(front.jumps[-1].key) if len(front.jumps) >= self.max_steps else 0
            chosen = best([child for child in front.rejected if len(child.key) > deepest], 1)
            if not chosen:
                return
            [accepted] = chosen
            front.rejected.remove(accepted)
            front.jumps.append(accepted)
            space.mark("jump", [accepted])
            front.accept(accepted)

    def _pruned(self, branches: Sequence[Branch]) -> list[Branch]:
        """5. Keep the `max_branches` best by score, then by fewer retries."""
        ranked = sorted(branches, key=lambda branch: (-branch.path.score, branch.retries, branch.path.key))
        return ranked[: self.max_branches]

    def _stopped(self, space: SearchSpace, front: Front) -> Stopped | None:
        """The reason why the search ends, or None."""
        if len(front.pool) >= self.max_finished_branches:
            return "enough"
        if space.exhausted:
            return "budget"
        return None if front.branches else "frontier"
