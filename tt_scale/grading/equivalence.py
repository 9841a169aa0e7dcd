r"""Whether an answer means the same as the gold answer.

Both sides are taken apart in the same way (`matching`). Plain numbers, times, choice letters and words are `settled`
at once and anywhere; formulas are compared by value and by Math-Verify, which can hang or eat all memory, so `verdict`
runs in a worker process that can be killed. So do answers of more than 1,000 characters, and lists with so many members
that more than 1,000 comparisons would be needed, since the caller waits for `settled`.

    >>> settled("0.5", r"\frac{1}{2}"), settled("3", "4"), settled("x+1", "1+x")
    (True, False, None)

A side that cannot be read leaves the pair ungraded, whichever side it is, unless both are spelled alike.
"""

from __future__ import annotations

import logging

from tt_scale.errors import GradingError
from tt_scale.grading.atoms import compare_plain
from tt_scale.grading.formula import compare_formulas
from tt_scale.grading.matching import Comparison, TooManyComparisonsError
from tt_scale.grading.normal import key
from tt_scale.grading.sandbox import alarm

__all__ = ["equivalent", "settled", "verdict"]

_LONGEST = 1000
_MOST_COMPARISONS = 1000


def settled(gold: str, answer: str) -> bool | None:
    """Compare structures, spellings, plain numbers, times and words; None where only a worker can tell.

    Args:
        gold: the reference.
        answer: what is compared with it.
    """
    if max(len(gold), len(answer)) > _LONGEST:
        return True if key(gold) and key(gold) == key(answer) else None
    try:
        return Comparison(compare_plain, most=_MOST_COMPARISONS).same(gold, answer)
    except TooManyComparisonsError:
        return None


def equivalent(gold: str, answer: str) -> bool:
    """Whether an answer means the same as the gold answer. May hang: call it in a worker.

    Args:
        gold: the reference.
        answer: what is compared with it.

    Raises:
        GradingError: a side cannot be read, so that only equal spelling could have told.
        Exception: whatever sympy raises where it cannot compare the two.
    """
    same = Comparison(_compare_atoms).same(gold, answer)
    if same is None:
        raise GradingError(f"{gold!r} and {answer!r} cannot be compared.")
    return same


def verdict(gold: str, answer: str, seconds: float) -> bool | None:
    """Give `equivalent`, or None where the comparison itself failed; what a worker runs.

    Args:
        gold: the reference.
        answer: what is compared with it.
        seconds: wall-clock limit that the parent enforces.
    """
    logging.getLogger("math_verify").setLevel(logging.ERROR)  # it warns that its own time limits are off
    try:
        with alarm(seconds):
            return equivalent(gold, answer)
    except Exception:  # noqa: BLE001  (any failure of the grader is the grader's, never a wrong answer)
        return None


def _compare_atoms(gold: str, answer: str) -> bool | None:
    same = compare_plain(gold, answer)
    return compare_formulas(gold, answer) if same is None else same
