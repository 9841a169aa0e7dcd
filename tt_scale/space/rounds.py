"""Who may draw how much of a token budget, so that requests stay many at a time and the budget is never passed.

Reserving each child's whole limit would draw children one after another, although most need a tenth of it. Where the
limits together do not fit, children are drawn in rounds instead: each gets a chunk, and who is not done goes on in the
next round with what the others left. Children that come first go first, so that where tokens do not suffice the first
ones are finished rather than all begun.

The first child of all, the lead, is given all that it may need at once. Whatever the others do, one child reaches its
end if the budget allows for one. `benchmarks/token_limit.py` compares this rule with others.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["LEAST_CHUNK", "chunks"]

LEAST_CHUNK = 32
"""Tokens. A shorter chunk costs more in prompts than it saves."""


def chunks(
    wanted: Sequence[int], spent: Sequence[int], left: int, longest: int, *, lead: bool, reserve: int = 0
) -> list[int]:
    """Divide what is left of a budget over children that are being drawn, for one round.

    Args:
        wanted: most tokens that each may still need, at least 1, in the order in which they go first [children].
        spent: tokens that each has [children].
        left: tokens that may be spent, at least 1.
        longest: tokens of the longest child of this kind that is done; 0 while none is.
        lead: whether the first child gets all that it wants.
        reserve: tokens that all but the lead leave alone.

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
    enough = left if longest else left / 2  # a full share for all, of unknown length, could leave all unfinished
    for index in range(first, len(wanted)):
        chunk = min(wanted[index], least[index] + share)
        if chunk > left:
            if not (reserve or any(given)):
                given[index] = left  # too little for anybody, but it is the first one's
            break
        given[index] = chunk
        left -= chunk
        if sum(given[first:]) >= enough:
            break
    return given


def _even_share(least: Sequence[int], left: int, *, known: bool) -> int:
    """What each may have beyond the least where that leaves something over."""
    spare = (left if known else left // 2) - sum(least)
    return max(spare, 0) // max(len(least), 1)
