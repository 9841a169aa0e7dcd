r"""Parsing of units after a number or an expression, and canonical names of units.

    >>> split_unit(r"36 \text{ sq cm}")
    ('36', ' \\text{ sq cm}')
    >>> unit_name(r" \text{ sq cm}"), unit_name("cm^2"), unit_name(" miles per hour"), unit_name(" apples")
    ('cm^2', 'cm^2', 'h^-1 mi', '')
    >>> split_unit("2t"), split_unit("12th"), split_unit("5cm")
    (('2t', ''), ('12', 'th'), ('5', 'cm'))

The ending of an ordinal counts as a unit without a name. Units are not converted: 1 m and 100 cm differ.
"""

from __future__ import annotations

import re
from collections import Counter
from types import MappingProxyType

__all__ = ["same_unit", "split_unit", "unit_name"]

_UNITS = MappingProxyType(
    {
        alias: unit
        for unit, aliases in {
            "%": r"% percent pct percentage",
            "°": "° degree degrees deg degs",
            "°C": "°c celsius degreecelsius degreescelsius centigrade",
            "°F": "°f fahrenheit degreefahrenheit degreesfahrenheit",
            "$": "dollar dollars usd $",
            "€": "euro euros eur €",
            "¢": "¢ cent cents",
            "mm": "mm millimeter millimeters millimetre millimetres",
            "cm": "cm centimeter centimeters centimetre centimetres",
            "m": "m meter meters metre metres",
            "km": "km kilometer kilometers kilometre kilometres",
            "in": "in inch inches",
            "ft": "ft foot feet",
            "yd": "yd yard yards",
            "mi": "mi mile miles",
            "mg": "mg milligram milligrams",
            "g": "g gram grams",
            "kg": "kg kilogram kilograms",
            "lb": "lb lbs pound pounds",
            "oz": "oz ounce ounces",
            "ton": "ton tons",
            "s": "s sec secs second seconds",
            "ms": "ms millisecond milliseconds",
            "min": "min mins minute minutes",
            "h": "h hr hrs hour hours",
            "day": "day days",
            "week": "week weeks",
            "month": "month months",
            "year": "year years yr yrs",
            "L": "l liter liters litre litres",
            "mL": "ml milliliter milliliters millilitre millilitres",
            "gal": "gal gallon gallons",
            "acre": "acre acres",
            "N": "newton newtons",
            "J": "joule joules",
            "W": "watt watts",
            "Hz": "hz hertz",
            "am": "am a.m",
            "pm": "pm p.m",
        }.items()
        for alias in aliases.split()
    }
)
_SHORTHANDS = MappingProxyType(
    {"mph": "mi/h", "kph": "km/h", "kmh": "km/h", "kmph": "km/h", "fps": "ft/s", "mps": "m/s"}
)

_LONGEST = 400
"""Maximum length of an answer with a unit, in characters."""

_WRAPPED = r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathit|mbox|unit)\s*"
_POWER = r"(?:\s*\^\s*(?:\{\s*)?-?\d(?:\s*\})?)?"
_PARSABLE = r"[^{}\d]*(?:\^\s*(?:-?\d|\{\s*-?\d\s*\})[^{}\d]*)*"

_MARKED = re.compile(
    rf"""(?P<body>.*?[\w}}).!'\]])(?P<unit>
        \s*(?:\\?%|¢|€|\\?\$)
      | \s*\^\s*\{{?\s*\\circ\s*\}}?\s*(?:{_WRAPPED}\{{\s*[CF]\s*\}}|[CF])?
      | \s*\^?\s*\{{?\s*{_WRAPPED}\{{\s*(?:st|nd|rd|th)\s*\}}\s*\}}?(?:\s*{_WRAPPED}\{{[^{{}}\d]*\}})?
      | \^\{{(?:st|nd|rd|th)\}}(?:\s*{_WRAPPED}\{{[^{{}}\d]*\}}|\s+[a-z]+)?
      | (?:\s*(?:(?:/|\\cdot)\s*)?{_WRAPPED}\{{{_PARSABLE}\}}{_POWER})+
      | \s*\\frac\{{\s*{_WRAPPED}\{{[^{{}}\d]*\}}{_POWER}\s*\}}\{{\s*{_WRAPPED}\{{[^{{}}\d]*\}}{_POWER}\s*\}}
    )""",
    re.VERBOSE | re.DOTALL,
)

_WORDS = re.compile(
    r"(?P<body>.*[\d}.)])(?P<unit>\s+(?P<word>[^\W\d_]+\.?)[^\d\\{}^_=+*/()\[\],|]*(?:\^\s*\{?\d\}?)?)", re.DOTALL
)

_KNOWN = "|".join(alias for alias in (*_UNITS, *_SHORTHANDS) if alias.isalpha())
_LONG = "|".join(alias for alias in (*_UNITS, *_SHORTHANDS) if alias.isalpha() and len(alias) > 1 and alias != "in")
_ATTACHED = re.compile(
    rf"(?P<body>.*\d\}}?)(?P<unit>(?:{_LONG}|(?:st|nd|rd|th)(?=$|\s))(?![a-zA-Z])"
    rf"(?:\s+[a-zA-Z][a-zA-Z ]*)?{_POWER}|\^\{{?(?:st|nd|rd|th)\}}?)",
    re.DOTALL | re.IGNORECASE,
)
_RATED = re.compile(
    rf"(?P<body>.*(?:[\d}}).]|\w(?=\s)))(?P<unit>\s*(?:{_KNOWN}){_POWER}(?:\s*/\s*(?:{_KNOWN}){_POWER})+"
    rf"|\s+(?:{_LONG}){_POWER}|\s+(?:sq|square|cu|cubic)\.?\s+(?:{_KNOWN})|\s*\(\s*(?:(?:sq|square|cubic)\.?\s+)?(?:{_LONG}|units?){_POWER}\s*\))",
    re.DOTALL | re.IGNORECASE,
)

_ANGLE = re.compile(r"\\(?:sin|cos|tan|sec|csc|cot)(?![a-zA-Z])[^()]*$")
"""A function whose argument contains the degrees."""

_FRACTION_NAMES = (
    "halves half thirds quarters fifths sixths sevenths eighths ninths tenths elevenths twelfths twentieths hundredths "
    "thousandths millionths billionths"
)
_PARTS = "|".join(_FRACTION_NAMES.split())
_NO_UNIT = re.compile(
    r"^[^a-z]*(?:text\s*\{\s*)?(?:squared|cubed)(?![a-z])|"
    rf"(?<![a-z])(?:{_PARTS}|third|quarter|and|or|to|mod|pmod|pi|tens|hundreds?|thousands?|[a-z]{{1,8}}illions?|dozens?|scores?|gross|"
    r"lakhs?|crores?|below|under|fewer|remainder|negative|radicals?|incorrect|wrong|fails?|cannot|factorial|"
    r"of\s+[a-z](?=[^a-z]*$)|at\s+(?:most|least)|per\s*mille|"
    r"times(?![^a-z]*$)|plus|minus|over|sqrt|sin|cos|tan|log|ln|base|is|not|out of|if|when|otherwise|else|where|for|"
    r"with|no|none|less|more|than|mixed|rational|odd|even|true|false|undefined|dne)(?![a-z])"
)


def split_unit(text: str) -> tuple[str, str]:
    r"""Split an answer from the unit after it: `\text{...}`, a percent or degree sign, or plain words after a space.

    Args:
        text: a cleaned answer.

    Returns:
        The answer without its unit, and the unit as written; empty if there is none.
    """
    if len(text) > _LONGEST:
        return text, ""
    match = _MARKED.fullmatch(text) or _plain_unit(text) or _ATTACHED.fullmatch(text) or _RATED.fullmatch(text)
    if not match or _NO_UNIT.search(match["unit"].lower()) or match["body"].count("{") != match["body"].count("}"):
        return text, ""
    if _is_product(match["body"], match["unit"]):
        return text, ""
    if "circ" in match["unit"] and _ANGLE.search(match["body"]):
        return text, ""
    return match["body"], match["unit"]


def _is_product(body: str, unit: str) -> bool:
    r"""Whether bare letters are no unit: all beside a variable (`r^2 h`), `l w` and `s^2` beside a number.

    Only a metre has powers by itself, and only one letter, or a quotient of letters, can be a unit: `5 m`, `5 m/s`.
    """
    if "\\" in unit or not re.fullmatch(r"(?:[^a-zA-Z]*[a-zA-Z](?![a-zA-Z]))+[^a-zA-Z]*", unit):
        return False
    if re.search(r"[a-zA-Z]", re.sub(r"\\(?:frac|sqrt|pi|cdot|times)(?![a-zA-Z])", "", body)):
        return True
    return "/" not in unit and not re.fullmatch(r"\s*(?:[a-zA-Z]|m\s*\^\s*\{?\s*[23]\s*\}?)\s*", unit)


def unit_name(unit: str) -> str:
    r"""Canonical name of a unit, with its power; empty if it is unknown.

    Args:
        unit: unit as written, such as `\text{ square inches}`, `in^2` or `m/s`.
    """
    words = re.sub(r"\\frac\{(.*)\}\{(.*)\}", r"\1/\2", unit.replace("\\circ", "°").replace("\\cdot", " "))
    words = re.sub(rf"{_WRAPPED}|[{{}}\\~]", " ", words)
    words = re.sub(r"\s+", " ", re.sub(r"\^\s*°", "°", words).lower())
    words = re.sub(r"\b(?:per|an?)\b(?!\.)", "/", words)
    words = re.sub(r"(?:° ?|\bdeg(?:ree)?s? )(c|f)(?:elsius|ahrenheit)?\b", r"°\1", words)
    powers = _powers(words)
    if not powers:
        return ""
    return " ".join(name if power == 1 else f"{name}^{power}" for name, power in sorted(powers.items()) if power)


def same_unit(one: str, other: str) -> bool:
    """Whether two units agree; a unit may be omitted, and so may the scale of degrees.

    Args:
        one: a unit, as `unit_name` returns it.
        other: another unit.
    """
    return not one or not other or one == other or (one[0] == other[0] == "°" and "°" in (one, other))


def _plain_unit(text: str) -> re.Match[str] | None:
    """Match plain words after a space: a long word, or a known unit."""
    match = _WORDS.fullmatch(text)
    return match if match and (len(match["word"]) > 2 or match["word"].lower() in _UNITS) else None


_PART = re.compile(
    r"(?P<over>/)|(?P<kind>sq|square|cu|cubic)\b\.?|(?P<name>[ap]\.\s?m|°[cf]?|[^\W\d_]+|[%$¢€])\.?"
    r"(?:\s*\^\s*(?P<power>-?\d)|\s+(?P<word>squared|cubed)\b)?"
)
_KINDS = MappingProxyType({"sq": 2, "square": 2, "squared": 2, "cu": 3, "cubic": 3, "cubed": 3})


def _powers(words: str) -> Counter[str]:
    """Parse a product of units to their powers; empty if the first unit or one in a denominator is unknown."""
    powers: Counter[str] = Counter()
    sign, kind = 1, 1
    for word in _SHORTHANDS:
        words = re.sub(rf"\b{word}\b", _SHORTHANDS[word], words)
    for part in _PART.finditer(words):
        if part["over"]:
            sign = -1
            continue
        if part["kind"]:
            kind = _KINDS[part["kind"]]
            continue
        name = _UNITS.get(re.sub(r"\s", "", part["name"]))
        if name is None:
            return Counter() if sign < 0 or not powers else powers
        powers[name] += sign * (int(part["power"] or 0) or _KINDS.get(part["word"] or "", 0) or kind)
        kind = 1
    return powers
