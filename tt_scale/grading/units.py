r"""Units after a number or an expression: told from variables, and named so that two spellings of one unit agree.

    >>> split_unit(r"36 \text{ sq cm}")
    ('36', ' \\text{ sq cm}')
    >>> unit_name(r" \text{ sq cm}"), unit_name("cm^2"), unit_name(" apples")
    ('cm^2', 'cm^2', '')
    >>> split_unit("2t")
    ('2t', '')

Units are not converted: 1 m and 100 cm differ.
"""

from __future__ import annotations

import re
from types import MappingProxyType

__all__ = ["split_unit", "unit_name"]

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

_MARKED = re.compile(
    r"""(?P<body>.*?[\w}).!])(?P<unit>
        \s*\\?%
      | \s*\^\s*\{?\s*\\circ\s*\}?\s*(?:\\(?:text|mathrm)\s*\{\s*[CF]\s*\}|[CF])?
      | (?:\s*\\(?:text|textbf|textrm|mathrm|mbox)\s*\{[^{}\d]*\}\s*(?:\^\s*\{?\d\}?)?)+
    )""",
    re.VERBOSE | re.DOTALL,
)

_WORDS = re.compile(
    r"(?P<body>.*[\d}.)])(?P<unit>\s+(?P<word>[^\W\d_]+\.?)[^\d\\{}^_=+*/()\[\],|]*(?:\^\s*\{?\d\}?)?)", re.DOTALL
)

_NO_UNIT = re.compile(
    r"(?<![a-z])(?:and|or|to|mod|pmod|pi|hundred|thousand|million|billion|trillion|dozen|half|halves|thirds?|quarters?|"
    r"squared|cubed|factorial|times|plus|minus|over|sqrt|sin|cos|tan|log|ln|base|is|not|out of)(?![a-z])"
)


def split_unit(text: str) -> tuple[str, str]:
    r"""Part an answer from the unit after it: `\text{...}`, a percent or degree sign, or plain words after a space.

    Args:
        text: a cleaned answer.

    Returns:
        The answer without its unit, and the unit as written; empty where there is none.
    """
    found = _MARKED.fullmatch(text)
    if not found and (words := _WORDS.fullmatch(text)):
        found = words if len(words["word"]) > 2 or words["word"].lower() in _UNITS else None
    if not found or _NO_UNIT.search(found["unit"].lower()):
        return text, ""
    return found["body"], found["unit"]


def unit_name(unit: str) -> str:
    r"""Name a unit as the table does, with its power; empty where the table does not know it.

    Args:
        unit: as written, such as `\text{ square inches}` or `in^2`.
    """
    words = re.sub(r"\\(?:text|textbf|textrm|mathrm|mbox)|[{}\\]", " ", unit.replace("\\circ", "°")).lower()
    power = re.search(r"\^\s*(\d)", words)
    exponent = power[1] if power else "2" if re.search(r"\bsq", words) else "3" if re.search(r"\bcu", words) else ""
    bare = re.sub(r"\^\s*\d|\bsq(uare)?\b|\bcu(bic)?\b|[\s^.]", "", words)
    name = _UNITS.get(bare, "")
    return f"{name}^{exponent}" if name and exponent else name
