"""Sequential halving of mctx: google-deepmind/mctx, `mctx/_src/seq_halving.py` and `policies.py` at 1232e22."""

from __future__ import annotations

import math
from collections.abc import Sequence


def considered_visits(most_considered: int, simulations: int) -> list[int]:
    """`get_sequence_of_considered_visits`: the visits that the action of each simulation must have had."""
    if most_considered <= 1:
        return list(range(simulations))
    log2max = math.ceil(math.log2(most_considered))
    sequence: list[int] = []
    visits = [0] * most_considered
    considered = most_considered
    while len(sequence) < simulations:
        extra = max(1, int(simulations / (log2max * considered)))
        for _ in range(extra):
            sequence.extend(visits[:considered])
            for action in range(considered):
                visits[action] += 1
        considered = max(2, considered // 2)
    return sequence[:simulations]


def gumbel_root(
    noise: Sequence[float], values: Sequence[float], considered: int, simulations: int
) -> tuple[int, list[int]]:
    """`gumbel_muzero_policy` at the root, with equal logits and values that are known from the start.

    Each simulation goes to the action of the greatest noise + scaled value among those with the considered visits; in
    the end the greatest among the most visited is played. Values are put on [0, 1], then x (50 + most visits) x 0.1.

    Returns:
        The action that is played, and the visits of all.
    """
    least, most = min(values), max(values)
    visits = [0] * len(values)

    def score(action: int, wanted: int) -> float:
        if visits[action] != wanted:
            return -math.inf
        scaled = (values[action] - least) / max(most - least, 1e-8)
        return noise[action] + (50 + max(visits)) * 0.1 * scaled

    for wanted in considered_visits(min(considered, len(values)), simulations):
        chosen = max(range(len(values)), key=lambda action: score(action, wanted))
        visits[chosen] += 1
    return max(range(len(values)), key=lambda action: score(action, max(visits))), visits
