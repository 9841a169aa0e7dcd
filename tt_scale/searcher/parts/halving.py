"""Sequential halving: allocate simulations to a set of candidates that is halved down to two.

Source: Karnin, Koren and Somekh 2013, as in the library mctx (`seq_halving.py`).
"""

from __future__ import annotations

__all__ = ["considered_visits"]


def considered_visits(candidates: int, simulations: int) -> list[int]:
    """Plan sequential halving: the number of earlier visits that the candidate of each simulation must have.

    Each of ceil(log2(candidates)) phases gets an equal part of the simulations and spreads it over the remaining
    candidates; then half of them are dropped, down to two. Remaining simulations go to the last two.

    Args:
        candidates: number of candidates at the start, at least 1.
        simulations: number of simulations to plan, at least 1.

    Returns:
        A visit count for each simulation [simulations].
    """
    if candidates == 1:
        return list(range(simulations))
    phases = (candidates - 1).bit_length()
    plan: list[int] = []
    visited = 0
    while len(plan) < simulations:
        rounds = max(1, simulations // (phases * candidates))
        plan += [visits for visits in range(visited, visited + rounds) for _ in range(candidates)]
        visited += rounds
        candidates = max(2, candidates // 2)
    return plan[:simulations]
