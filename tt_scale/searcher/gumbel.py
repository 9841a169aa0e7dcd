"""Gumbel search: choose every step by simulations, allocated to the candidates by sequential halving.

Sources: Danihelka et al. 2022, "Policy Improvement by Planning with Gumbel" (ICLR), as in the library mctx; for
reasoning steps ReSCALE (arXiv 2603.21162). Differences: priors are uniform, since children are already samples of the
model; the value of an unvisited child is its PRM score instead of a mixed value; sampled children are kept from step
to step, while visit counts are reset.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from random import Random
from typing import ClassVar

from tt_scale.base_classes import Searcher
from tt_scale.core.path import Key, Outcome, Path
from tt_scale.errors import ConfigError
from tt_scale.searcher.parts.allocation import near_square, softmax
from tt_scale.searcher.parts.halving import considered_visits
from tt_scale.searcher.parts.tree import Node, back_up, nodes, scaled_values
from tt_scale.space.search_space import SearchSpace

__all__ = ["Gumbel"]

Drawn = dict[Key, list[Path]]
"""Children of every path that was expanded."""


@dataclass(frozen=True)
class Gumbel(Searcher):
    """Choose each step by tree simulations, halving the set of candidates between phases.

    Attributes:
        beam_width: children of a node, at least 1; None means `max_total_branches // keeping_branches`.
        simulations: simulations per chosen step, at least 1; a candidate's first one uses its existing PRM score.
        considered: candidates at the start of the halving, at least 1; capped at the number of children.
        gumbel_scale: scale of the Gumbel noise, at least 0; 0 chooses by values alone.
        value_scale: weight of values against the noise, at least 0.
        visit_offset: added to the largest visit count before it scales the values, at least 0.
        temperature: sampling temperature.
        max_steps: maximum number of steps of a path.
    """

    summary: ClassVar[str] = "chooses each step by simulations under sequential halving"
    source: ClassVar[str] = "Danihelka et al. 2022 (ICLR); ReSCALE, arXiv 2603.21162"

    beam_width: int | None = None
    simulations: int = 8
    considered: int = 4
    gumbel_scale: float = 1.0
    value_scale: float = 0.1
    visit_offset: float = 50.0
    temperature: float = 0.8
    keeping_branches: int = 3
    max_total_branches: int = 9
    max_steps: int = 30

    def __post_init__(self) -> None:
        for knob, least in {
            "simulations": 1,
            "considered": 1,
            "gumbel_scale": 0,
            "value_scale": 0,
            "visit_offset": 0,
        }.items():
            if not getattr(self, knob) >= least:
                raise ConfigError(f"{knob} is {getattr(self, knob)}; it is at least {least}.")

    @property
    def width(self) -> int:
        """Children of each node."""
        return self.beam_width or max(1, self.max_total_branches // self.keeping_branches)

    def widths(self, budget: int) -> Mapping[str, int]:
        """Derive width and simulations: about three simulations per expansion that the budget pays for.

        First visits expand nothing, and about two of three later ones traverse children that earlier steps sampled.
        """
        expansions, width = near_square(budget)
        return {"beam_width": width, "simulations": min(self.considered, width) + 3 * expansions - 2}

    async def search(self, space: SearchSpace) -> Outcome:
        """Choose step after step until the path is finished; every finished path sampled on the way joins the pool."""
        random = space.random("gumbel")
        drawn: Drawn = {}
        [path] = space.roots()
        for _ in range(self.max_steps):
            played = await self._move(space, path, drawn, random)
            pool = tuple([child for family in drawn.values() for child in family if child.is_finished])
            space.commit([played] if played else [], pool)
            if played is not None and played.is_finished:
                return Outcome(pool, "enough")
            if space.exhausted or played is None:
                return Outcome(pool, "budget" if space.exhausted else "frontier")
            path = played
        return Outcome(pool, "steps")

    async def _move(self, space: SearchSpace, path: Path, drawn: Drawn, random: Random) -> Path | None:
        """Choose the next step of a path; None where no child is open or finished."""
        children = await self._children(space, Node(path), drawn)
        noise = {child.path.key: self.gumbel_scale * _gumbel(random) for child in children}
        if len(children) > 1:
            for visits in considered_visits(min(self.considered, len(children)), self.simulations):
                if space.exhausted:
                    break
                await self._simulate(space, self._favourite(children, noise, visits), drawn)
        most = max([child.visits for child in children], default=0)
        return self._favourite(children, noise, most).path if children else None

    def _favourite(self, children: Sequence[Node], noise: dict[Key, float], visits: int) -> Node:
        """The best child by noise plus value among those with the given number of visits."""
        values = scaled_values(children, self.value_scale, self.visit_offset)
        ranked = [
            (-noise[child.path.key] - value, child.path.key, child)
            for child, value in zip(children, values, strict=True)
            if child.visits == visits
        ]
        return min(ranked, key=lambda entry: entry[:2])[2]

    async def _simulate(self, space: SearchSpace, child: Node, drawn: Drawn) -> None:
        """Descend from a child to the first unvisited node and back up its score; 0 where a node has no children."""
        trail, value = [child], child.path.score
        while trail[-1].visits and trail[-1].path.is_open:
            children = await self._children(space, trail[-1], drawn)
            if not children:
                value = 0.0
                break
            trail.append(self._interior(children))
            value = trail[-1].path.score
        back_up(trail, value)

    def _interior(self, children: Sequence[Node]) -> Node:
        """The child whose share of the visits is furthest below the improved policy."""
        policy = softmax(scaled_values(children, self.value_scale, self.visit_offset))
        visits = 1 + sum([child.visits for child in children])
        lags = [
            (child.visits / visits - share, child.path.key, child)
            for child, share in zip(children, policy, strict=True)
        ]
        return min(lags, key=lambda entry: entry[:2])[2]

    async def _children(self, space: SearchSpace, node: Node, drawn: Drawn) -> list[Node]:
        if node.children is None:
            key = node.path.key
            if key not in drawn:
                [drawn[key]] = await space.expand([node.path], self.width, temperature=self.temperature)
            node.children = nodes(drawn[key])
        return node.children


def _gumbel(random: Random) -> float:
    """Sample from the standard Gumbel distribution."""
    return -log(-log(max(random.random(), 1e-300)))
