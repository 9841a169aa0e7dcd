"""Monte-Carlo tree search: select by PUCT, expand, score, back up.

Source: OpenR (Wang et al. 2024, arXiv 2410.09671), `reason/guided_search/tree.py`, where every path runs to an end; the
selection rule is that of AlphaZero (Silver et al. 2018). Differences: priors are uniform, since children are already
samples of the model and a probability on top would count twice; and an exhaustively searched part of the tree is
closed, where OpenR would traverse it again and count the same value twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log, sqrt
from typing import ClassVar

from tt_scale.base_classes import Searcher
from tt_scale.core.path import Outcome, Path
from tt_scale.errors import ConfigError
from tt_scale.searcher.parts.allocation import near_square
from tt_scale.searcher.parts.tree import Node, back_up, nodes
from tt_scale.space.search_space import SearchSpace

__all__ = ["MCTS", "puct"]


@dataclass(frozen=True)
class MCTS(Searcher):
    """Run N descents from the root to an end, each guided by the values that earlier ones backed up.

    Attributes:
        N: number of descents, each of which yields at most one solution.
        beam_width: children of a node, at least 1; None means `max_total_branches // keeping_branches`.
        exploration: weight of the exploration term, at least 0; 0 follows the values alone.
        exploration_base: number of visits at which that weight begins to grow, above 0.
        temperature: sampling temperature.
        max_steps: maximum number of steps of a path.
    """

    summary: ClassVar[str] = "N walks down a tree by PUCT over backed-up PRM values"
    source: ClassVar[str] = "Wang et al. 2024 (OpenR), arXiv 2410.09671"

    N: int = 4
    beam_width: int | None = None
    exploration: float = 1.25
    exploration_base: float = 19652.0
    temperature: float = 0.8
    keeping_branches: int = 3
    max_total_branches: int = 9
    max_steps: int = 30

    def __post_init__(self) -> None:
        if not self.exploration >= 0:
            raise ConfigError(f"exploration is {self.exploration}; it is at least 0.", "Usual: 1.25.")
        if not self.exploration_base > 0:
            raise ConfigError(f"exploration_base is {self.exploration_base}; it lies above 0.", "Usual: 19652.")

    @property
    def width(self) -> int:
        """Children of each node."""
        return self.beam_width or max(1, self.max_total_branches // self.keeping_branches)

    def widths(self, budget: int) -> Mapping[str, int]:
        """Derive descents and width, whose product is about the budget: the cost of descents that share no node."""
        fewer, more = near_square(budget)
        width = fewer if fewer > 1 else more  # with one child there is no choice
        return {"N": budget // width, "beam_width": width}

    async def search(self, space: SearchSpace) -> Outcome:
        """Descend to an end, back up its value, close exhausted nodes."""
        [root] = nodes(space.roots())
        pool: list[Path] = []
        for _ in range(self.N):
            trail = await self._descend(space, root)
            end = trail[-1]
            if end.path.is_finished:
                pool.append(end.path)
            elif space.exhausted:
                return Outcome(tuple(pool), "budget")
            back_up(trail, end.path.score if end.path.is_finished else 0.0)
            _close(trail)
            if root.closed:
                break
        if len(pool) == self.N:
            return Outcome(tuple(pool), "enough")
        return Outcome(tuple(pool), "frontier" if root.closed else "steps")

    async def _descend(self, space: SearchSpace, root: Node) -> list[Node]:
        """Follow the best child from the root to a finished path, or to a node without open children."""
        trail = [root]
        while (node := trail[-1]).path.is_open and len(trail) <= self.max_steps:
            if node.children is None:
                [family] = await space.expand([node.path], self.width, temperature=self.temperature)
                node.children = nodes(family)
            candidates = [child for child in node.children if not child.closed]
            if not candidates:
                break
            trail.append(self._choice(node, candidates))
        return trail

    def _choice(self, node: Node, candidates: Sequence[Node]) -> Node:
        prior = 1 / len(node.children or candidates)
        return min(
            candidates,
            key=lambda child: (
                -child.value - self._bonus(prior, node.visits, child.visits),
                child.path.key,
            ),
        )

    def _bonus(self, prior: float, parent_visits: int, visits: int) -> float:
        return puct(prior, parent_visits, visits, self.exploration, self.exploration_base)


def puct(prior: float, parent_visits: int, visits: int, exploration: float = 1.25, base: float = 19652.0) -> float:
    """Exploration bonus of a child, added to its value.

    prior * sqrt(parent_visits) / (1 + visits) * (exploration + ln((parent_visits + base + 1) / base)); 0 where the
    parent was never visited, so that the first descent follows the values alone.

    Args:
        prior: probability of the child, in [0, 1].
        parent_visits: visits of the parent, at least 0.
        visits: visits of the child, at least 0.
        exploration: weight of the bonus; 0 disables it.
        base: number of visits at which the weight begins to grow, above 0.
    """
    if not exploration:
        return 0.0
    growth = exploration + log((parent_visits + base + 1) / base)
    return prior * sqrt(parent_visits) / (1 + visits) * growth


def _close(trail: Sequence[Node]) -> None:
    """Close the last node of a descent, and every node above it whose children are all closed."""
    trail[-1].closed = True
    for node in reversed(trail[:-1]):
        node.closed = all(child.closed for child in node.children or ())
