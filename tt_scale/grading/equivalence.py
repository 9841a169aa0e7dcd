r"""Equivalence of an answer and the gold answer.

Both are parsed in the same way (`matching`). `settled` compares plain numbers, times, choice letters and words in the
calling process. Formulas are compared by value and with Math-Verify, which can hang or use all memory, so that
`verdict` runs in a worker process that can be killed. It also compares answers of more than 700 characters, and lists
that need more than 600 comparisons of parts, because `settled` blocks its caller.

    >>> settled("0.5", r"\frac{1}{2}"), settled("3", "4"), settled("x+1", "1+x")
    (True, False, None)

If either side cannot be parsed, the pair is ungraded, unless both have the same spelling.
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

_LONGEST = 700
_MOST_COMPARISONS = 600


def settled(gold: str, answer: str) -> bool | None:
    """Compare structures, spellings, plain numbers, times and words; None if a worker has to decide.

    Args:
        gold: gold answer.
        answer: answer to compare.
    """
    if max(len(gold), len(answer)) > _LONGEST:
        return True if key(gold) and key(gold) == key(answer) else None
    try:
        return Comparison(compare_plain, most=_MOST_COMPARISONS).same(gold, answer)
    except TooManyComparisonsError:
        return None


def equivalent(gold: str, answer: str) -> bool:
    """Whether an answer is equivalent to the gold answer. May hang: call it in a worker.

    Args:
        gold: gold answer.
        answer: answer to compare.

    Raises:
        GradingError: a side cannot be parsed, and the spellings differ.
        Exception: any error of SymPy while it compares the two.
    """
    same = Comparison(_compare_atoms).same(gold, answer)
    if same is None:
        raise GradingError(f"{gold!r} and {answer!r} cannot be compared.")
    return same


def verdict(gold: str, answer: str, seconds: float) -> bool | None:
    """Result of `equivalent`, or None if the comparison failed; runs in a worker.

    Args:
        gold: gold answer.
        answer: answer to compare.
        seconds: wall-clock limit that the parent enforces.
    """
    logging.getLogger("math_verify").setLevel(logging.ERROR)  # it warns that its own time limits are off
    try:
        with alarm(seconds):
            return equivalent(gold, answer)
    except Exception:  # noqa: BLE001  (a failure of the grader never makes an answer wrong)
        return None


def _compare_atoms(gold: str, answer: str) -> bool | None:
    same = compare_plain(gold, answer)
    return compare_formulas(gold, answer) if same is None else same
