r"""Parsing of numerals with a base: `1202_3`, `(1202)_{3}`, `BAD_{16}`, `1202 (base 3)`, `1202_{\text{three}}`.

>>> numeral_of("(1202)_{3}")
Numeral(value=Fraction(47, 1), base=3, bare=Fraction(1202, 1))
>>> numeral_of("x_{3}") is None, numeral_of("12_{2}") is None
(True, True)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

__all__ = ["is_misspelled", "numeral_of"]

_WORDS = (
    "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
    "nineteen twenty"
)
_BASES = MappingProxyType(
    {
        **{word: base for base, word in enumerate(_WORDS.split(), 2)},
        **{str(base): base for base in range(2, 37)},
        "binary": 2,
        "ternary": 3,
        "octal": 8,
        "decimal": 10,
        "hexadecimal": 16,
        "hex": 16,
    }
)

_MARKUP = re.compile(r"\\(?:text|textbf|textrm|mathrm|mathbf|mbox|overline)\s*(?=\{)|[{}]|\\[,;: ]")
_BEHIND = re.compile(r"_\s*\{[^{}]*(?:\{[^{}]*\})?[^{}]*\}\s*\w")
_NUMERAL = re.compile(
    r"""(?P<sign>-?)\s*(?P<bracket>[(\[]?)\s*(?P<digits>[0-9A-Za-z]+(?:[ ,][0-9A-Za-z]{3})*)\s*[)\]]?\s*
        (?: _\s*\(?\s*(?:base\s*[-=]?\s*)?(?P<below>\d{1,2}|[a-z]+)\s*\)?
          | [(\[]?\s*,?\s*(?:in\s+)?base\s*[-=]?\s*(?P<beside>\d{1,2}|[a-z]+)\s*[)\]]?
          | \s(?:in\s+)(?P<named>binary|ternary|octal|decimal|hexadecimal|hex) )""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Numeral:
    """An integer with its base.

    Attributes:
        value: its value.
        base: its base, in [2, 36].
        bare: value of its digits in base 10, for an answer that omits the base; None if some digits are letters.
    """

    value: Fraction
    base: int
    bare: Fraction | None


def is_misspelled(text: str) -> bool:
    """Whether an answer has a digit that its base has not, as in `776_7`, or more digits behind it: it has no value.

    Args:
        text: a cleaned answer.
    """
    if _BEHIND.search(text):
        return bool(re.match(r"\d", text))
    found = _read(text) if "_" in text or "base" in text else None
    base = _BASES.get(found["below"] or found["beside"] or "") if found else None
    return bool(found and base and found["digits"].isdigit() and int(max(found["digits"])) >= base)


def numeral_of(text: str) -> Numeral | None:
    """Parse an answer as a numeral with a base; None for anything else.

    Args:
        text: a cleaned answer.
    """
    if "_" not in text and "base" not in text and "in " not in text:
        return None
    match = _read(text)
    base = _BASES.get(match["below"] or match["beside"] or match["named"]) if match else None
    if not match or not base:
        return None
    digits = re.sub(r"[ ,]", "", match["digits"])
    if not _is_numeral(digits, written_beside=not match["below"]):
        return None
    try:
        value = int(digits, base)
    except ValueError:
        return None
    sign = -1 if match["sign"] else 1
    return Numeral(Fraction(sign * value), base, Fraction(sign * int(digits)) if digits.isdigit() else None)


def _read(text: str) -> re.Match[str] | None:
    """Match a numeral; digits behind the braces of a base belong to nothing."""
    return None if _BEHIND.search(text) else _NUMERAL.fullmatch(_MARKUP.sub("", text).strip())


def _is_numeral(digits: str, *, written_beside: bool) -> bool:
    r"""Whether digits are a numeral and not a variable: `BAD_{16}` and `1A_{16}` are, `A_{12}` and `a_3` are not."""
    if digits.isdigit() or written_beside:
        return True
    return digits.upper() == digits and len(digits) > 1
