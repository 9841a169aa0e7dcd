r"""Comparison of atoms that are formulas: by unit, then by value or with Math-Verify.

As for numbers, a unit may be omitted on one side; two different units are wrong.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tt_scale.errors import GradingError
from tt_scale.grading.atoms import in_words
from tt_scale.grading.clock import clock
from tt_scale.grading.expression import read_formula, same_formula, same_value
from tt_scale.grading.normal import clean
from tt_scale.grading.numerals import is_misspelled, numeral_of
from tt_scale.grading.quantity import ROUNDED, quantity, split_currency
from tt_scale.grading.structure import split_outside
from tt_scale.grading.units import same_unit, split_unit, unit_name

__all__ = ["compare_formulas"]


@dataclass(frozen=True, slots=True)
class _Measured:
    """A formula and its unit.

    Attributes:
        formula: cleaned LaTeX.
        unit: canonical name of the unit; empty if there is none.
    """

    formula: str
    unit: str


def compare_formulas(gold: str, answer: str) -> bool:
    """Whether two atoms have the same value. May hang: call it in a worker.

    Args:
        gold: gold answer.
        answer: answer to compare.

    Raises:
        GradingError: a side cannot be parsed.
    """
    if is_misspelled(clean(gold)) or is_misspelled(clean(answer)):
        return False
    one, other = _measured(gold), _measured(answer)
    if _is_text(gold) or _is_text(answer):
        read_formula((other if _is_text(gold) else one).formula)  # words and formulas differ, if the formula is valid
        return False
    reference, reading = _read(one.formula), _read(other.formula)
    if not same_unit(one.unit, other.unit):
        return False
    if _same(reference, reading, gold):
        return True
    percents = {"%"} & {one.unit, other.unit}
    return bool(percents) and one.unit != other.unit and _same(*_as_shares(one, other, reference, reading), gold)


def _is_text(text: str) -> bool:
    """Whether an answer is in words or a time, and therefore not a formula."""
    return in_words(text) or clock(text) is not None


def _read(text: str) -> Any:
    r"""Parse a formula, or several inequalities as the set in which they hold: `x<-1 \text{ or } x>1`."""
    parts = split_outside(text, "comma")
    if len(parts) < 2 or not all(split_outside(part, "relation")[1:] for part in parts):
        return read_formula(text)
    return _region(text, [read_formula(part).as_set() for part in parts])


def _region(text: str, sets: Sequence[Any]) -> Any:
    """Where all of several inequalities hold, or one of them: as the text says, unless it is nowhere or everything."""
    from sympy import Intersection, S, Union

    all_hold, one_holds = Intersection(*sets), Union(*sets)
    if re.search(r"(?<![a-zA-Z\\])and(?![a-zA-Z])", text):
        return one_holds if all_hold is S.EmptySet else all_hold
    told = re.search(r"(?<![a-zA-Z\\])or(?![a-zA-Z])|\\(?:lor|vee)(?![a-zA-Z])", text)
    return all_hold if one_holds == S.Reals and not told else one_holds


def _same(reference: Any, reading: Any, gold: str) -> bool:
    same = same_value(reference, reading, _slack(gold))
    return same_formula(reference, reading) if same is None else same


def _slack(gold: str) -> Any:
    """Rounding error of a long decimal."""
    number = quantity(gold)
    if not number or number.decimals < ROUNDED:
        return 0
    from sympy import Rational

    return Rational(1, 2 * 10**number.decimals)


def _as_shares(one: _Measured, other: _Measured, reference: Any, reading: Any) -> tuple[Any, Any]:
    """Values of the two sides if only one has a percent sign."""
    from sympy import Expr, Rational

    if not (isinstance(reference, Expr) and isinstance(reading, Expr)):
        return reference, reading
    share = Rational(1, 100)
    return reference * (share if one.unit == "%" else 1), reading * (share if other.unit == "%" else 1)


def _measured(text: str) -> _Measured:
    if numeral := numeral_of(clean(text)):
        return _Measured(str(numeral.value), "")
    formula, currency = split_currency(clean(text))
    body, suffix = split_unit(formula)
    if not re.search(r"\w", body):
        raise GradingError(f"{text!r} contains no formula.")
    return _Measured(body, currency or unit_name(suffix))
