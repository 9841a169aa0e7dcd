r"""Answers that are plain numbers, compared exactly: no floats, no parser, no worker.

    >>> quantity(r"\$1,234.50")
    Quantity(value=Fraction(2469, 2), decimals=2, unit='$')
    >>> quantity("x+1") is None
    True

A plain number is an integer, a decimal (also a repeating one), a fraction, a mixed number or scientific notation,
with at most a currency sign before it and a unit after it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

from tt_scale.grading.normal import clean, without_commas

__all__ = ["Quantity", "quantity", "same_quantity"]

_ROUNDED = 6
"""Data sets write fractions rounded to this many decimals or more (AddSub: 0.6666666667 for 2/3)."""

_LONGEST = 300
"""Characters of a plain number; what is longer is left to the worker, which can be killed."""

_DECIMAL = r"(?:\d+\.?\d*|\.\d+)"
_SLASH = re.compile(rf"({_DECIMAL})\s*/\s*({_DECIMAL})")
_NUMBER = re.compile(
    rf"""(?P<sign>[+-]?)\s*(?:
        (?P<head>\d*)\.(?P<middle>\d*)\\overline\s*\{{(?P<cycle>\d+)\}}
      | (?:(?P<whole>\d+)\s*)? \\frac\s*\{{\s*(?P<top>-?{_DECIMAL})\s*\}}\s*\{{\s*(?P<bottom>-?{_DECIMAL})\s*\}}
      | (?P<decimal>{_DECIMAL})(?:(?:\s*(?:\\times|\\cdot|\*|x)\s*10\s*\^\s*\{{?|[eE])(?P<exponent>[+-]?\d{{1,3}})\}}?)?
    )""",
    re.VERBOSE,
)

_UNITS = MappingProxyType(
    {
        alias: unit
        for unit, aliases in {
            "%": r"% percent pct",
            "°": "° °c °f degree degrees deg degreesfahrenheit degreescelsius",
            "$": "dollar dollars usd",
            "¢": "¢ cent cents",
            "mm": "mm millimeter millimeters",
            "cm": "cm centimeter centimeters",
            "m": "m meter meters metre metres",
            "km": "km kilometer kilometers",
            "in": "in inch inches",
            "ft": "ft foot feet",
            "yd": "yd yard yards",
            "mi": "mi mile miles",
            "g": "g gram grams",
            "kg": "kg kilogram kilograms",
            "lb": "lb lbs pound pounds",
            "oz": "oz ounce ounces",
            "s": "s sec second seconds",
            "min": "min minute minutes",
            "h": "h hr hour hours",
            "day": "day days",
            "week": "week weeks",
            "month": "month months",
            "year": "year years yr",
            "am": "am a.m",
            "pm": "pm p.m",
        }.items()
        for alias in aliases.split()
    }
)

_SUFFIX = re.compile(
    r"""(?P<number>.*?[\d}.])(?P<unit>
        \s*\\?%
      | \s*\^\s*\{?\s*\\circ\s*\}?\s*(?:\\(?:text|mathrm)\s*\{\s*[CF]\s*\}|[CF])?
      | \s*(?:\\(?:text|textbf|textrm|mathrm|mbox)\s*\{[^{}\d]*\}\s*(?:\^\s*\{?\d\}?)?)+
      | \s+[^\W\d_]{2,}[^\d\\{}^_=+*/()\[\],|]*(?:\^\s*\{?\d\}?)?
    )?""",
    re.VERBOSE | re.DOTALL,
)

_NO_UNIT = re.compile(
    r"(?<![a-z])(?:and|or|to|mod|pi|hundred|thousand|million|billion|trillion|dozen|half|halves|thirds?|quarters?|"
    r"squared|cubed|factorial|times|plus|minus|over|sqrt|sin|cos|tan|log|ln|base|is|not|out of)(?![a-z])"
)

_CURRENCY = re.compile(r"([+-]?)\s*(?:\\?\$|\\text\{\$\}|[€£¥]|\\pounds|(?:Rs|USD)\.?)\s*(?=[\d.+-])")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A plain number with its unit.

    Attributes:
        value: exact.
        decimals: digits written after the decimal point.
        unit: in the table's spelling, with its power; empty where there is none, or none that the table knows.
    """

    value: Fraction
    decimals: int = 0
    unit: str = ""


def quantity(text: str) -> Quantity | None:
    """Read an answer as a plain number, or give None where it is anything else.

    Args:
        text: an answer as a model or a data set wrote it.
    """
    if len(text) > _LONGEST:
        return None
    text = clean(text)
    unpriced = _CURRENCY.sub(r"\1", text, count=1) if _CURRENCY.match(text) else text
    found = _SUFFIX.fullmatch(unpriced)
    suffix = found["unit"] if found and found["unit"] else ""
    if not found or _NO_UNIT.search(suffix.lower()):
        return None
    number = _NUMBER.fullmatch(_SLASH.sub(r"\\frac{\1}{\2}", without_commas(_joined(found["number"]))))
    value = _value(number) if number else None
    if number is None or value is None:
        return None
    decimals = len((number["decimal"] or "").partition(".")[2])
    return Quantity(value, decimals, _unit(suffix) if unpriced == text else "$")


def same_quantity(gold: Quantity, answer: Quantity) -> bool:
    """Whether two plain numbers are the same: exactly, but for a gold answer that was rounded when written.

    A missing unit agrees with any; 50 % agrees with 50 (the unit left out) and with 1/2 (its value).

    Args:
        gold: the reference; the relation is symmetric but for its rounding.
        answer: what is compared with it.
    """
    if "%" in (gold.unit, answer.unit) and gold.unit != answer.unit:
        if gold.unit and answer.unit:
            return False
        percent, plain = (gold, answer) if gold.unit == "%" else (answer, gold)
        return plain.value in (percent.value, percent.value / 100)
    if gold.unit and answer.unit and gold.unit != answer.unit:
        return False
    slack = Fraction(1, 2 * 10**gold.decimals) if gold.decimals >= _ROUNDED else 0
    return abs(gold.value - answer.value) <= slack


def _joined(number: str) -> str:
    """Join digits that spaces group by threes: `1 234 567`."""
    if re.fullmatch(r"[+-]?\s*\d{1,3}(?: \d{3})+(?:\.\d+)?", number):
        return number.replace(" ", "")
    return number


def _value(number: re.Match[str]) -> Fraction | None:
    if number["cycle"]:
        tail = int(number["middle"] or 0) + Fraction(int(number["cycle"]), 10 ** len(number["cycle"]) - 1)
        value = int(number["head"] or 0) + tail / 10 ** len(number["middle"])
    elif number["decimal"]:
        value = Fraction(number["decimal"]) * Fraction(10) ** int(number["exponent"] or 0)
    else:
        top, bottom = Fraction(number["top"]), Fraction(number["bottom"])
        if not bottom or (number["whole"] and not 0 < top < bottom):
            return None
        value = int(number["whole"] or 0) + top / bottom
    return -value if number["sign"] == "-" else value


def _unit(suffix: str) -> str:
    """Name a unit as the table does: `\\text{ square inches}` and `in^2` are `in^2`; empty where it is unknown."""
    words = re.sub(r"\\(?:text|textbf|textrm|mathrm|mbox)|[{}\\]", " ", suffix.replace("\\circ", "°")).lower()
    power = re.search(r"\^\s*(\d)", words)
    exponent = power[1] if power else "2" if re.search(r"\bsq", words) else "3" if re.search(r"\bcu", words) else ""
    bare = re.sub(r"\^\s*\d|\bsq(uare)?\b|\bcu(bic)?\b|[\s^.]", "", words)
    unit = _UNITS.get(bare, "")
    return f"{unit}^{exponent}" if unit and exponent else unit
