"""Nodes with visit counts, for methods that search a tree by statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tt_scale.core.path import Path

__all__ = ["Node", "back_up", "nodes", "scaled_values"]


@dataclass(slots=True, eq=False)
class Node:
    """A path and what is known of where it leads.

    Attributes:
        path: where it stands.
        children: that can lead on; None before it was expanded.
        visits: how often a value was backed up through it.
        total: sum of those values.
        closed: nothing new can be reached through it.
    """

    path: Path
    children: list[Node] | None = None
    visits: int = 0
    total: float = 0.0
    closed: bool = False

    @property
    def value(self) -> float:
        """Mean of what was backed up; before that its own score, which the PRM gave it when it was drawn."""
        return self.total / self.visits if self.visits else self.path.score


def nodes(family: Sequence[Path]) -> list[Node]:
    """Nodes for the children that are an answer or a way on; truncated and failed ones are neither."""
    return [Node(child) for child in family if child.is_open or child.is_finished]


def back_up(trail: Sequence[Node], value: float) -> None:
    """Count a value for every node on the way to where it was found."""
    for node in trail:
        node.visits += 1
        node.total += value


def scaled_values(children: Sequence[Node], scale: float, offset: float) -> list[float]:
    """Put the values of siblings on a scale that gains weight with visits.

    (offset + most visits) * scale * (value - least) / (most - least): sigma in Danihelka et al. 2022.

    Args:
        children: siblings [children].
        scale: c_scale there, at least 0.
        offset: c_visit there, at least 0.
    """
    values = [child.value for child in children]
    least, spread = min(values), max(max(values) - min(values), 1e-8)
    weight = scale * (offset + max([child.visits for child in children]))
    return [weight * (value - least) / spread for value in values]
