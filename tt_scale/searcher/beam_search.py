"""Beam search guided by a PRM, with lookahead.

Source: Snell et al. 2024, "Scaling LLM Test-Time Compute Optimally" (arXiv 2408.03314), section 5.1. There the number
of beams shrinks as beams finish; here finished paths go to the pool and the best open paths fill the beam again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from tt_scale.base_classes import Searcher
from tt_scale.config.widths import at_least
from tt_scale.core.path import Outcome, Path, Stopped, best
from tt_scale.searcher.parts.allocation import paths_and_widths
from tt_scale.space.search_space import SearchSpace

__all__ = ["BeamSearch"]


@dataclass(frozen=True)
class BeamSearch(Searcher):
    """Keep the best `n_beams` paths at every depth.

    Attributes:
        n_beams: paths kept, at least 1; None means `keeping_branches`.
        beam_width: children of each path; 1 prunes nothing; None means `max_total_branches // n_beams`, so that a step
            proposes as many candidates as the other methods do.
        wider_beams: number of paths, best first, that propose one additional child, at least 0.
        lookahead: greedy steps sampled beyond a candidate to compute its value; 0 disables the lookahead.
        num_iterations: maximum number of steps of a path; None means `max_steps`.
        N: number of finished paths at which the search ends.
        temperature: sampling temperature of all samples.
    """

    summary: ClassVar[str] = "the best n_beams of all children survive each step"
    source: ClassVar[str] = "Snell et al. 2024, arXiv 2408.03314"

    n_beams: int | None = None
    beam_width: int | None = None
    wider_beams: int = 0
    lookahead: int = 0
    num_iterations: int | None = None
    N: int = 4
    temperature: float = 0.8
    keeping_branches: int = 3
    max_total_branches: int = 9
    max_steps: int = 30

    @property
    def beams(self) -> int:
        """Paths kept at each depth."""
        return self.n_beams or self.keeping_branches

    @property
    def width(self) -> int:
        """Children proposed by each path."""
        return self.beam_width or max(1, self.max_total_branches // self.beams)

    def widths(self, budget: int) -> Mapping[str, int]:
        """Derive the beam from the budget: one candidate per step and solution, each charged with its lookahead."""
        cost = 1 + self.lookahead
        at_least(budget, cost, f"with lookahead {self.lookahead} one candidate costs {cost} steps")
        beams, width, wider = paths_and_widths(budget // cost)
        uneven = {"wider_beams": wider} if wider or self.wider_beams else {}
        return {"n_beams": beams, "beam_width": width, **uneven, "N": budget // cost}

    async def search(self, space: SearchSpace) -> Outcome:
        """Expand the beam, move finished children to the pool, keep the best open ones."""
        pool: list[Path] = []
        frontier = space.roots()
        shares = [sum(self._shares(self.beams))]
        for _ in range(self.num_iterations or self.max_steps):
            families = await space.expand(frontier, shares, temperature=self.temperature)
            children = [child for family in families for child in family]
            pool += [child for child in children if child.is_finished]
            frontier = await self._survivors(space, [child for child in children if child.is_open])
            shares = self._shares(len(frontier))
            space.commit(frontier, pool)
            if stopped := self._stopped(space, pool, frontier):
                return Outcome(tuple(pool), stopped)
        return Outcome(tuple(pool), "steps")

    def _shares(self, count: int) -> list[int]:
        """Number of children of each path, paths ordered best first [paths]."""
        return [self.width + (rank < self.wider_beams) for rank in range(count)]

    def _stopped(self, space: SearchSpace, pool: Sequence[Path], frontier: Sequence[Path]) -> Stopped | None:
        if len(pool) >= self.N:
            return "enough"
        if not frontier:
            return "budget" if space.exhausted else "frontier"
        return "budget" if space.exhausted else None

    async def _survivors(self, space: SearchSpace, children: list[Path]) -> list[Path]:
        if not self.lookahead or len(children) <= self.beams:
            return best(children, self.beams)
        values = await self._look_ahead(space, children)
        valued = {path.key: path for path in children}
        return [valued[path.key] for path in best(values, self.beams)]

    async def _look_ahead(self, space: SearchSpace, children: list[Path]) -> list[Path]:
        """Replace each candidate's score by that of its greedy continuation; the continuation is discarded."""
        ahead = {child.key: child for child in children}
        for _ in range(self.lookahead):
            growing = {key: path for key, path in ahead.items() if path.is_open}
            if not growing or space.exhausted:
                break
            families = await space.expand(list(growing.values()), 1, temperature=0.0, kept=False)
            ahead.update({key: family[0] for key, family in zip(growing, families, strict=True) if family})
        return [replace(child, score=ahead[child.key].score) for child in children]
