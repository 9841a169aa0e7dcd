"""Who may draw how much of a token budget, so that requests stay many at a time and the budget is never passed.

Reserving each child's whole limit would draw children one after another, although most need a tenth of it. Where the
limits together do not fit, children are drawn in rounds instead: each gets a chunk, and who is not done goes on in the
next round with what the others left. Children that come first go first, so that where tokens do not suffice the first
ones are finished rather than all begun.

The first child of all, the lead, is given all that it may need at once. Whatever the others do, one child reaches its
end if the budget allows for one. `bench/token_limit.py` compares this rule with others.
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
    waiting = len(wanted) - first
    # Half of what is left while nobody knows how long a child is: a full share for all could leave all unfinished.
    share = (left if longest else left // 2) // max(waiting, 1)
    for index in range(first, len(wanted)):
        chunk = min(wanted[index], max(LEAST_CHUNK, share, longest - spent[index]))
        if left < 1 or (chunk > left and index):
            break
        given[index] = min(chunk, left)
        left -= given[index]
        if not longest and _half_is_given(given, left, first):
            break
    return given


def _half_is_given(given: Sequence[int], left: int, first: int) -> bool:
    return sum(given[first:]) >= left
