r"""Whether an answer means the same as the gold answer.

The order is fixed: equal spelling, then exact plain numbers, then Math-Verify. The first two are `settled` at once
and anywhere; Math-Verify can hang or eat all memory, so `verdict` runs in a worker process that can be killed.

    >>> settled("0.5", r"\frac{1}{2}"), settled("3", "4"), settled("x+1", "1+x")
    (True, False, None)

Math-Verify reads both sides out of a box (bare, `\frac{9}{7}` may parse to nothing and "in case 3" equals 3), and the
gold answer always stands first, because its relation is not symmetric.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import Any

from tt_scale.grading.normal import clean, key
from tt_scale.grading.quantity import quantity, same_quantity

__all__ = ["equivalent", "settled", "verdict"]


def settled(gold: str, answer: str) -> bool | None:
    """Compare spellings and plain numbers; None where only Math-Verify can tell.

    Args:
        gold: the reference.
        answer: what is compared with it.
    """
    if key(gold) == key(answer):
        return True
    number = quantity(gold)
    other = quantity(answer) if number else None
    return same_quantity(number, other) if number and other else None


def equivalent(gold: str, answer: str) -> bool:
    """Whether an answer means the same as the gold answer. May hang: call it in a worker.

    Args:
        gold: the reference.
        answer: what is compared with it.

    Raises:
        Exception: whatever sympy raises where it cannot compare the two.
    """
    known = settled(gold, answer)
    if known is not None:
        return known
    from math_verify import verify

    # No time limits inside: they are signals, fail off the main thread, and are swallowed as "not equal".
    return bool(verify(_parsed(gold), _parsed(answer), timeout_seconds=None, raise_on_error=True))


def verdict(gold: str, answer: str) -> bool | None:
    """Give `equivalent`, or None where the comparison itself failed; what a worker runs.

    Args:
        gold: the reference.
        answer: what is compared with it.
    """
    try:
        return equivalent(gold, answer)
    except Exception:  # any failure of the grader is the grader's, never a wrong answer
        return None


@lru_cache(maxsize=1024)
def _parsed(text: str) -> list[Any]:
    from math_verify import LatexExtractionConfig, parse

    logging.getLogger("math_verify").setLevel(logging.ERROR)  # it warns that its own time limits are off
    boxed = LatexExtractionConfig(boxed_match_priority=0)
    return list(parse(rf"\boxed{{{clean(text)}}}", [boxed], parsing_timeout=None, raise_on_error=True))
