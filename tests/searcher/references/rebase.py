"""REBASE: thu-wyz/inference_scaling, `rebase.py` (`select_softmax`, `select_and_expand`) at 0fe7da9."""

from __future__ import annotations

import math
from collections.abc import Sequence

from references.world import KeyWorld
from tt_scale.core.path import Key


def select_softmax(scores: Sequence[float], width: int, temperature: float) -> list[int]:
    """Sorted by score, descending: ceil(width x share of what is left), then both shrink; counts in the given order.

    The source sorts ascending and reverses, so that of equal scores the later comes first; here the earlier does. Its
    32-bit sums can lift a whole share over the next ceiling; the small number that is taken off here prevents that.
    """
    order = sorted(range(len(scores)), key=lambda place: -scores[place])
    left = sum(math.exp(score / temperature) for score in scores)
    counts = [0] * len(scores)
    for place in order:
        weight = math.exp(scores[place] / temperature)
        counts[place] = math.ceil(width * weight / left - 1e-7) if width else 0
        width -= counts[place]
        left -= weight
    return counts


def rebase(world: KeyWorld, width: int, temperature: float, depths: int) -> list[Key]:
    """Search, and give the solutions in the order in which they were found.

    In the source a node at the token limit takes up width as a solution does; here nothing reaches it.
    """
    solutions: list[Key] = []
    nodes: list[Key] = [(0,)]
    for _ in range(depths):
        ended = [node for node in nodes if len(node) > 1 and world.ends(node)]
        solutions += ended
        width -= len(ended)
        candidates = [node for node in nodes if node not in ended]
        if width <= 0 or not candidates:
            break
        scores = [1.0 if len(node) == 1 else world.score(node) for node in candidates]
        shares = select_softmax(scores, width, temperature)
        nodes = [child for node, share in zip(candidates, shares, strict=True) for child in world.children(node, share)]
    return solutions
