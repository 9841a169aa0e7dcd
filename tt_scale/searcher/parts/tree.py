"""Tree nodes with visit counts and backed-up values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tt_scale.core.path import Path

__all__ = ["Node", "back_up", "nodes", "scaled_values"]


@dataclass(slots=True, eq=False)
class Node:
    """A path with its children and visit statistics.

    Attributes:
        path: the path of the node.
        children: its open and finished children; None before it was expanded.
        visits: number of values backed up through it.
        total: sum of those values.
        closed: whether its subtree is exhausted.
    """

    path: Path
    children: list[Node] | None = None
    visits: int = 0
    total: float = 0.0
    closed: bool = False

    @property
    def value(self) -> float:
        """Mean of the backed-up values; the path's own PRM score before the first one."""
        return self.total / self.visits if self.visits else self.path.score


def nodes(family: Sequence[Path]) -> list[Node]:
    """Nodes for the open and finished children; truncated and failed ones are left out."""
    return [Node(child) for child in family if child.is_open or child.is_finished]


def back_up(trail: Sequence[Node], value: float) -> None:
    """Add a value to the statistics of every node of a descent."""
    for node in trail:
        node.visits += 1
        node.total += value


def scaled_values(children: Sequence[Node], scale: float, offset: float) -> list[float]:
    """Rescale the values of siblings, with a weight that grows with visits.

    (offset + most visits) * scale * (value - least) / (most - least): sigma in Danihelka et al. 2022.

    Args:
        children: siblings [children].
        scale: c_scale of the paper, at least 0.
        offset: c_visit of the paper, at least 0.
    """
    values = [child.value for child in children]
    least, spread = min(values), max(max(values) - min(values), 1e-8)
    weight = scale * (offset + max([child.visits for child in children]))
    return [weight * (value - least) / spread for value in values]
