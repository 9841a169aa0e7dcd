"""The walk of OpenR: openreasoner/openr, `reason/guided_search/tree.py` (`vanila_mcts`) at 268c663."""

from __future__ import annotations

import math
from collections import defaultdict

from references.world import KeyWorld
from tt_scale.core.path import Key


def vanilla_mcts(world: KeyWorld, paths: int, width: int, *, close: bool) -> list[tuple[Key, float]]:
    """Walk down by value plus exploration, expand leaves on the way, add the value of the end to all nodes of a walk.

    An unvisited node is worth the score it got when it was drawn; so is an end, once and for all: the source gives a
    visited end its own mean again. Priors are the sampler's probabilities there; here every child has the same.

    Args:
        world: that is searched.
        paths: walks.
        width: children of a node.
        close: pass over what was searched to its ends, as ours does; the source walks there again.

    Returns:
        The end of each walk and its value.
    """
    visits: defaultdict[Key, int] = defaultdict(int)
    total: defaultdict[Key, float] = defaultdict(float)
    below: dict[Key, list[Key]] = {}
    done: set[Key] = set()

    def ucb(parent: Key, child: Key) -> float:
        pb_c = math.log((visits[parent] + 19652 + 1) / 19652) + 1.25
        bonus = pb_c * math.sqrt(visits[parent]) / (visits[child] + 1) / width
        return bonus + (total[child] / visits[child] if visits[child] else world.score(child))

    found = []
    for _ in range(paths):
        walk: list[Key] = [(0,)]
        while len(walk) == 1 or not world.ends(walk[-1]):
            node = walk[-1]
            if node not in below:
                below[node] = world.children(node, width)
            options = [child for child in below[node] if not close or child not in done]
            walk.append(max(options, key=lambda child: ucb(node, child)))
        end = walk[-1]
        value = world.score(end)
        for node in walk:
            visits[node] += 1
            total[node] += value
        done.add(end)
        for node in reversed(walk[:-1]):
            if all(child in done for child in below[node]):
                done.add(node)
        found.append((end, value))
        if (0,) in done:
            break
    return found
