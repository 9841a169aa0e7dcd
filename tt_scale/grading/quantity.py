r"""Parsing and exact comparison of plain numbers, without floats or a worker.

    >>> quantity(r"\$1,234.50")
    Quantity(value=Fraction(2469, 2), decimals=2, unit='$', bare=None)
    >>> quantity("x+1") is None
    True

A plain number is an integer, a decimal (also a repeating one), a fraction, a mixed number or scientific notation,
with at most a currency sign before it and a unit after it. The base of a numeral (`2516_8`) counts as its unit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from types import MappingProxyType

from tt_scale.grading.normal import clean, without_commas
from tt_scale.grading.numerals import numeral_of
from tt_scale.grading.units import same_unit, split_unit, unit_name

__all__ = ["ROUNDED", "quantity", "same_quantity", "split_currency"]

ROUNDED = 6
"""Data sets write fractions rounded to this many decimals or more (AddSub: 0.6666666667 for 2/3)."""

_LONGEST = 300
"""Characters of a plain number; what is longer is left to the worker, which can be killed."""

_DECIMAL = r"(?:\d+(?:\.\d*)?|\.\d+)"
_SLASH = re.compile(rf"({_DECIMAL})\s*/\s*({_DECIMAL})")
_NUMBER = re.compile(
    rf"""(?P<sign>[+-]?)\s*(?:
        (?P<head>\d*)\.(?P<middle>\d*)\\overline\s*\{{(?P<cycle>\d+)\}}
      | (?:(?P<whole>\d+)\s*)? \\frac\s*\{{\s*(?P<top>-?{_DECIMAL})\s*\}}\s*\{{\s*(?P<bottom>-?{_DECIMAL})\s*\}}
      | 10\s*\^\s*\{{?\s*(?P<power>[+-]?\d{{1,3}})\s*\}}?
      | (?P<decimal>{_DECIMAL})(?:(?:\s*(?:\\times|\\cdot|\*|x)\s*10\s*\^\s*\{{?|[eE])(?P<exponent>[+-]?\d{{1,3}})\}}?)?
    )""",
    re.VERBOSE,
)

_SCALES = MappingProxyType(
    {"dozen": 12, "hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12}
)
_SCALED = re.compile(
    rf"(?P<number>[^a-zA-Z{{}}]*\d)\s*(?:\\(?:text|textbf|mathrm|mbox)\s*\{{\s*)?(?P<scale>{'|'.join(_SCALES)})"
    r"(?![a-zA-Z])(?P<rest>[^{}]*)\}?"
)

_CURRENCY = re.compile(
    r"(?P<sign>[+-]?)\s*(?P<currency>\\?\$|\\(?:text|mathrm)\{\s*\\?\$\s*\}|[€£¥₹]|\\(?:euro|pounds)|(?:Rs|USD|US\\?\$)\.?)\s*"
    r"(?=[\d.+(a-zA-Z\\-])"
)
_CURRENCIES = MappingProxyType({"€": "€", "£": "£", "¥": "¥", "₹": "Rs", "euro": "€", "pounds": "£", "Rs": "Rs"})


@dataclass(frozen=True, slots=True)
class Quantity:
    """A plain number with its unit.

    Attributes:
        value: exact value.
        decimals: number of digits after the decimal point.
        unit: canonical name of the unit, with its power; empty if there is none, or if it is unknown.
        bare: value without the unit, for an answer that omits it; differs from `value` for `%` and bases.
    """

    value: Fraction
    decimals: int = 0
    unit: str = ""
    bare: Fraction | None = None


def quantity(text: str) -> Quantity | None:
    """Parse an answer as a plain number; None for anything else.

    Args:
        text: an answer as a model or a data set states it.
    """
    return _quantity(text) if len(text) <= _LONGEST else None


@lru_cache(maxsize=4096)
def _quantity(text: str) -> Quantity | None:
    text = clean(text)
    if numeral := numeral_of(text):
        return Quantity(numeral.value, 0, str(numeral.base), numeral.bare)
    if scaled := _SCALED.fullmatch(text):
        return _times(_SCALES[scaled["scale"]], _quantity(f"{scaled['number']}\\text{{{scaled['rest']}}}"))
    unpriced, currency = split_currency(text)
    body, suffix = split_unit(unpriced)
    number = _NUMBER.fullmatch(_SLASH.sub(r"\\frac{\1}{\2}", without_commas(_joined(body))))
    value = _value(number) if number else None
    if number is None or value is None:
        return None
    decimals = len((number["decimal"] or "").partition(".")[2])
    unit = currency or unit_name(suffix)
    return Quantity(value / 100, decimals + 2, unit, value) if unit == "%" else Quantity(value, decimals, unit)


def _times(scale: int, number: Quantity | None) -> Quantity | None:
    """Give `5 million` from 5, with its unit."""
    return number and Quantity(number.value * scale, 0, number.unit)


def split_currency(text: str) -> tuple[str, str]:
    """Split an answer from the currency sign before it.

    Args:
        text: a cleaned answer.

    Returns:
        The answer without the sign, and the currency; empty if there is none.
    """
    found = _CURRENCY.match(text)
    if not found:
        return text, ""
    currency = found["currency"].strip("\\.")
    return found["sign"] + text[found.end() :], _CURRENCIES.get(currency, "$")


def same_quantity(gold: Quantity, answer: Quantity) -> bool:
    """Whether two plain numbers are equal, exactly or up to the rounding of the gold answer.

    A unit may be omitted on one side: 50 % equals 1/2 and 50, and 101_2 equals 5 and 101.

    Args:
        gold: gold answer; apart from its rounding, the relation is symmetric.
        answer: answer to compare.
    """
    if not same_unit(gold.unit, answer.unit):
        return gold.unit.isdigit() and answer.unit.isdigit() and gold.value == answer.value
    slack = Fraction(1, 2 * 10**gold.decimals) if gold.decimals >= ROUNDED else 0
    readings: list[tuple[Fraction | None, Fraction | None]] = [(gold.value, answer.value)]
    if gold.unit != answer.unit:
        readings += [(gold.bare, answer.value), (gold.value, answer.bare)]
    return any(abs(one - other) <= slack for one, other in readings if one is not None and other is not None)


def _joined(number: str) -> str:
    """Join digits that spaces group by threes: `1 234 567`."""
    if re.fullmatch(r"[+-]?\s*\d{1,3}(?: \d{3})+(?:\.\d+)?", number):
        return number.replace(" ", "")
    return number


def _value(number: re.Match[str]) -> Fraction | None:
    value: Fraction
    if number["cycle"]:
        tail = int(number["middle"] or 0) + Fraction(int(number["cycle"]), 10 ** len(number["cycle"]) - 1)
        value = int(number["head"] or 0) + tail / 10 ** len(number["middle"])
    elif number["power"]:
        value = Fraction(10) ** int(number["power"])
    elif number["decimal"]:
        value = Fraction(f"{number['decimal']}e{number['exponent'] or 0}")
    else:
        top, bottom = Fraction(number["top"]), Fraction(number["bottom"])
        if not bottom or (number["whole"] and not 0 < top < bottom):
            return None
        value = int(number["whole"] or 0) + top / bottom
    return -value if number["sign"] == "-" else value
