r"""Vectors as sums: of tuples and matrices, `(1,2)+2(3,4)`, and of unit vectors, `3\mathbf{i}+4\mathbf{j}`.

>>> summed([("", "1,2".split(",")), ("+t", "3,4".split(","))]), coordinates("3i-4j", 2)
(('(1)+t(3)', '(2)+t(4)'), ('3', '-4'))
"""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["FACTOR", "coordinates", "summed"]

FACTOR = re.compile(
    r"""(?P<sign>[+-]?)\s*
        (?P<number>(?:\d+(?:[./]\d+)?|\(\s*-?\d+/\d+\s*\)|\\frac\s*\{[^{}]*\}\s*\{[^{}]*\}|\\sqrt\s*\{[^{}]*\}|\\pi)?)\s*
        (?P<letter>(?:[a-z]|\\(?:lambda|mu|alpha|beta|theta|tau)(?![a-zA-Z]))?)\s*
        (?P<times>(?:\\(?:cdot|times)(?![a-zA-Z])|\*)?)\s*""",
    re.VERBOSE,
)
"""What stands before a vector of a sum."""

_UNIT = re.compile(
    r"""(?P<marked>\\(?:mathbf|boldsymbol|mathrm|bm|hat|widehat|vec|overrightarrow)(?![a-zA-Z])\s*\{?\s*
            (?:\\(?:mathbf|boldsymbol|mathrm|hat)(?![a-zA-Z])\s*\{?\s*)?\\?(?P<name>[ijk])(?:math(?![a-zA-Z]))?\s*\}{0,2})
      | (?<![a-zA-Z\\_^{])(?P<plain>[ijk])(?![a-zA-Z(_^])""",
    re.VERBOSE,
)
_GROUP = re.compile(r"\{[^{}]*\}|\([^()]*\)")
_MOST_GROUPS = 4


def summed(terms: Sequence[tuple[str, Sequence[str]]]) -> tuple[str, ...] | None:
    """Add vectors by coordinates; None if their numbers of coordinates differ.

    Args:
        terms: factor and coordinates of each; every factor but the first begins with a sign.
    """
    if len({len(parts) for _, parts in terms}) != 1:
        return None
    columns = zip(*[[f"{factor}({part.strip()})" for part in parts] for factor, parts in terms], strict=True)
    return tuple("".join(column).removeprefix("+") for column in columns)


def coordinates(text: str, size: int) -> tuple[str, ...] | None:
    r"""Read a sum of unit vectors; None if it is anything else, such as the complex number `3+4i`.

    Args:
        text: a cleaned answer.
        size: number of coordinates, 2 or 3.
    """
    units = list(_UNIT.finditer(text))
    names = [unit["name"] or unit["plain"] for unit in units]
    plain = [unit["plain"] for unit in units if unit["plain"]]
    if not units or units[-1].end() != len(text) or len({*names}) < len(names) or len(plain) == 1:
        return None
    starts = [0, *[unit.end() for unit in units]]
    factors = [_factor(text[start : unit.start()]) for start, unit in zip(starts, units, strict=False)]
    if None in factors or any(factor[:1] not in ("+", "-") for factor in factors[1:] if factor is not None):
        return None
    known = {name: factor for name, factor in zip(names, factors, strict=True) if factor is not None}
    axes = "ijk"[:size]
    return tuple(known.get(axis, "0").removeprefix("+") for axis in axes) if {*names} <= {*axes} else None


def _factor(text: str) -> str | None:
    """The factor of a unit vector; None if it is a sum, or holds half of a bracket."""
    text = re.sub(r"(?:\\cdot|\*)\s*$", "", text.strip()).strip()
    if text in ("", "+", "-"):
        return f"{text}1"
    bare = text
    for _ in range(_MOST_GROUPS):
        bare = _GROUP.sub("", bare)
    return None if re.search(r"[(){}\[\]=,;<>]|(?<!^)[+-]", bare) else text
