"""Divide a token budget over concurrent requests, so that batches stay large and the budget is never exceeded.

Reserving the whole limit of each child would sample children one after another, although most need a tenth of it. If
the limits together do not fit, children are sampled in rounds instead: each gets a chunk, and unfinished ones continue
in the next round with what the others left. Earlier children have priority, so that with too few tokens the first ones
are finished rather than all of them begun.

The first child, the lead, gets its whole limit at once, so that one child reaches its end if the budget allows for it.
`benchmarks/token_limit.py` compares this rule with others.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["LEAST_CHUNK", "chunks"]

LEAST_CHUNK = 32
"""Smallest chunk in tokens; a shorter one costs more in prompts than it saves."""


def chunks(
    wanted: Sequence[int], spent: Sequence[int], left: int, longest: int, *, lead: bool, reserve: int = 0
) -> list[int]:
    """Divide the rest of a budget over unfinished children, for one round.

    Args:
        wanted: token limit that each has left, at least 1, in order of priority [children].
        spent: tokens of each so far [children].
        left: tokens left in the budget, at least 1.
        longest: tokens of the longest finished child of this kind; 0 if there is none yet.
        lead: whether the first child gets its whole limit.
        reserve: tokens that only the lead may use.

    Returns:
        Tokens for each child [children]; 0 for those that wait. The sum is at most `left`.
    """
    first = int(lead)
    if sum(wanted[first:]) + max(sum(wanted[:first]), reserve) <= left:
        return list(wanted)
    given = [0] * len(wanted)
    if lead:
        given[0] = min(wanted[0], left)
    left -= max(given[0], reserve)
    least = [min(most, max(LEAST_CHUNK, longest - had)) for most, had in zip(wanted, spent, strict=True)]
    share = _even_share(least[first:], left, known=bool(longest))
    enough = left if longest else left / 2  # with unknown lengths, full shares could leave all unfinished
    for index in range(first, len(wanted)):
        chunk = min(wanted[index], least[index] + share)
        if chunk > left:
            if not (reserve or any(given)):
                given[index] = left  # too little for a chunk: all of it to the first one
            break
        given[index] = chunk
        left -= chunk
        if sum(given[first:]) >= enough:
            break
    return given


def _even_share(least: Sequence[int], left: int, *, known: bool) -> int:
    """Equal share of each child beyond its minimum."""
    spare = (left if known else left // 2) - sum(least)
    return max(spare, 0) // max(len(least), 1)
