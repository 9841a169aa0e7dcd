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
import re
from dataclasses import replace
from functools import lru_cache
from typing import Any

from tt_scale.errors import GradingError
from tt_scale.grading.normal import clean, key
from tt_scale.grading.probe import differ_in_value
from tt_scale.grading.quantity import Quantity, quantity, same_quantity
from tt_scale.grading.sandbox import alarm
from tt_scale.grading.units import split_unit

__all__ = ["equivalent", "settled", "verdict"]

_WORD = 4
"""Letters from which on a bare word is read as a word and not as a product of variables."""


def settled(gold: str, answer: str) -> bool | None:
    """Compare spellings and plain numbers; None where only Math-Verify can tell.

    Args:
        gold: the reference.
        answer: what is compared with it.
    """
    one, other = key(gold), key(answer)
    if one == other:
        return True
    if {_enclosure(one), _enclosure(other)} == {"set", "tuple"} or _are_words(one, other, gold + answer):
        return False
    numbers, others = _numbers(gold, one), _numbers(answer, other)
    if not numbers or len(numbers) != len(others):
        return None
    return all(map(same_quantity, numbers, others))


def equivalent(gold: str, answer: str) -> bool:
    """Whether an answer means the same as the gold answer. May hang: call it in a worker.

    Args:
        gold: the reference.
        answer: what is compared with it.

    Raises:
        GradingError: the gold answer cannot be read, so that only equal spelling could have told.
        Exception: whatever sympy raises where it cannot compare the two.
    """
    known = settled(gold, answer)
    if known is not None:
        return known
    from math_verify import verify

    reference, reading = _parsed(gold), _parsed(answer)
    if all(isinstance(part, str) for part in reference):
        raise GradingError(f"Math-Verify cannot read the gold answer {gold!r}.")
    if reading and differ_in_value(reference[0], reading[0]):
        return False
    # No time limits inside: they are signals, fail off the main thread, and are swallowed as "not equal".
    return bool(verify(reference, reading, allow_set_relation_comp=True, timeout_seconds=None, raise_on_error=True))


def verdict(gold: str, answer: str, seconds: float) -> bool | None:
    """Give `equivalent`, or None where the comparison itself failed; what a worker runs.

    Args:
        gold: the reference.
        answer: what is compared with it.
        seconds: wall-clock limit that the parent enforces.
    """
    try:
        with alarm(seconds):
            return equivalent(gold, answer)
    except Exception:  # noqa: BLE001  (any failure of the grader is the grader's, never a wrong answer)
        return None


def _numbers(text: str, spelling: str) -> list[Quantity]:
    """Read a plain number, or a tuple of plain numbers as its elements; empty where it is anything else."""
    if _enclosure(spelling) != "tuple":
        number = quantity(text)
        return [number] if number else []
    elements = [quantity(element) for element in spelling[1:-1].split(",")]
    return [element for element in elements if element] if all(elements) else []


def _enclosure(spelling: str) -> str:
    """Tell a set from a tuple, which Math-Verify compares element by element."""
    if re.fullmatch(r"\\\{[^{}]*\\\}", spelling):
        return "set"
    return "tuple" if re.fullmatch(r"\([^()]*,[^()]*\)", spelling) else ""


def _are_words(one: str, other: str, written: str) -> bool:
    """Whether both are words: Math-Verify takes them for products of letters, in which `silent` equals `listen`."""
    return one.isalpha() and other.isalpha() and ("\\text" in written or min(len(one), len(other)) >= _WORD)


@lru_cache(maxsize=1024)
def _parsed(text: str) -> list[Any]:
    from math_verify import LatexExtractionConfig, parse

    logging.getLogger("math_verify").setLevel(logging.ERROR)  # it warns that its own time limits are off
    # Its own removal of units also removes variables: it reads 2t as 2.
    spelling = replace(LatexExtractionConfig().normalization_config, units=False)
    boxed = LatexExtractionConfig(boxed_match_priority=0, normalization_config=spelling)
    text, unit = split_unit(clean(text))
    if "%" in unit or "\\circ" in unit:
        text += unit
    if "\\pm" in text and "," not in text:
        text = text.replace("\\pm", "+") + "," + text.replace("\\pm", "-")
    readings = parse(rf"\boxed{{{text}}}", [boxed], parsing_timeout=None, raise_on_error=True)
    return [_with_imaginary_unit(reading) for reading in readings]


def _with_imaginary_unit(reading: Any) -> Any:
    """Make the letter i the imaginary unit; Math-Verify reads a variable, for which i^2 is not -1."""
    from sympy import Basic, I

    if not isinstance(reading, Basic):
        return reading
    return reading.subs([(symbol, I) for symbol in reading.free_symbols if str(symbol) == "i"])
