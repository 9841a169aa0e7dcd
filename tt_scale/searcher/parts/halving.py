"""Sequential halving: simulations for many candidates at first, for two in the end.

Source: Karnin, Koren and Somekh 2013, in the form of the library mctx (`seq_halving.py`).
"""

from __future__ import annotations

__all__ = ["considered_visits"]


def considered_visits(candidates: int, simulations: int) -> list[int]:
    """Plan sequential halving: how many visits the candidate of each simulation must have had before.

    Each of ceil(log2(candidates)) phases gets an equal part of the simulations and spreads it over the candidates
    that are left; then half of them drop out, down to two. What is left over goes to the last two.

    Args:
        candidates: at the start, at least 1.
        simulations: to plan, at least 1.

    Returns:
        For each simulation a count of earlier visits [simulations].
    """
    if candidates == 1:
        return list(range(simulations))
    phases = (candidates - 1).bit_length()
    plan: list[int] = []
    seen = 0
    while len(plan) < simulations:
        rounds = max(1, simulations // (phases * candidates))
        plan += [visits for visits in range(seen, seen + rounds) for _ in range(candidates)]
        seen += rounds
        candidates = max(2, candidates // 2)
    return plan[:simulations]
