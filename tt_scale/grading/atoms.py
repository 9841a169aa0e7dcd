r"""Comparison of atoms without algebra: times of the day, plain numbers, ratios, choice letters and words.

>>> compare_plain("1:2", r"\frac{1}{2}"), compare_plain("C", "C. x = 42"), compare_plain("even", "odd")
(True, True, False)
>>> compare_plain("x+1", "1+x") is None
True
"""

from __future__ import annotations

import re
from fractions import Fraction

from tt_scale.grading.clock import clock, same_time
from tt_scale.grading.normal import clean, key
from tt_scale.grading.prose import choice, has_words, untexted, words
from tt_scale.grading.quantity import quantity, same_quantity
from tt_scale.grading.units import split_unit

__all__ = ["compare_choices", "compare_numbers", "compare_plain", "in_words"]

_WORD = 4
"""Minimum number of letters for a bare word not to be a product of variables."""

_TO = re.compile(r"(?<=[\d}])\s*(?:\\text\s*\{\s*to\s*\}|to)\s*(?=[\d\\])")


def compare_numbers(gold: str, answer: str) -> bool | None:
    """Compare times of the day and plain numbers; None if a side is neither.

    Args:
        gold: gold answer.
        answer: answer to compare.
    """
    time, other_time = clock(gold), clock(answer)
    if time and other_time:
        return same_time(time, other_time)
    number, other_number = quantity(gold), quantity(answer)
    if number and other_number:
        return same_quantity(number, other_number)
    return _compare_ratios(gold, answer)


def compare_choices(gold: str, answer: str) -> bool | None:
    """Compare choice letters, and their texts if both have one; None if a side is not a choice.

    Args:
        gold: gold answer.
        answer: answer to compare.
    """
    one, other = choice(gold), choice(answer)
    if not one or not other:
        return None
    if one[0] != other[0]:
        return False
    return not (one[1] and other[1]) or compare_numbers(one[1], other[1]) is not False


def compare_plain(gold: str, answer: str) -> bool | None:
    """Compare two atoms by spelling, number, choice letter or word; None if algebra is needed.

    Args:
        gold: gold answer.
        answer: answer to compare.
    """
    one, other = key(gold), key(answer)
    if one == other and one:
        return True
    for compare in (compare_numbers, compare_choices):
        same = compare(gold, answer)
        if same is not None:
            return same
    if one.isalpha() and other.isalpha() and ("\\text" in gold + answer or min(len(one), len(other)) >= _WORD):
        return False
    return _compare_words(gold, answer)


def in_words(text: str) -> bool:
    """Whether an answer without its unit contains words.

    Args:
        text: an answer as a model or a data set states it.
    """
    return has_words(split_unit(clean(text))[0])


def _compare_words(gold: str, answer: str) -> bool | None:
    """Compare answers in words; None if neither side is in words, or the other one has to be parsed first."""
    in_gold, in_answer = in_words(gold), in_words(answer)
    if in_gold and in_answer:
        return _wording(gold) == _wording(answer)
    number = quantity(answer) if in_gold else quantity(gold) if in_answer else None
    return False if number else None


def _wording(text: str) -> str:
    return words(text) or re.sub(r"[\s.{}$]", "", untexted(clean(text)).casefold())


def _compare_ratios(gold: str, answer: str) -> bool | None:
    r"""Compare ratios: `3:4` with `6:8`, and with the quotient `\frac{3}{4}`; None if neither side is one."""
    one, other = _ratio(gold), _ratio(answer)
    if not one or not other or max(len(one), len(other)) < 2:
        return None
    if len(one) != len(other):
        if sorted((len(one), len(other))) != [1, 2]:
            return False if min(len(one), len(other)) > 1 else None
        one, other = [*one, Fraction(1)][:2], [*other, Fraction(1)][:2]
    return all(one[0] * second == other[0] * first for first, second in zip(one, other, strict=True))


def _ratio(text: str) -> list[Fraction]:
    """Parse the terms of a ratio, or the value of a number; empty for anything else."""
    if len(text) > 100:
        return []
    terms = [quantity(term) for term in _TO.sub(":", clean(text)).replace("\\colon", ":").split(":")]
    values = [term.value for term in terms if term and not term.unit]
    return values if len(values) == len(terms) and (len(values) < 2 or all(values)) else []
