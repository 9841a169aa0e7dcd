r"""Texts of models as text and formulas: `\(x^2\)` becomes MathML, which browsers show without a script.

MathML is passed on as lists of names, attributes and children, from which the page makes elements; no markup is ever
parsed by the page. What is no formula, is too long, or cannot be read as one stays text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

__all__ = ["Formula", "MathNode", "mathml", "segments"]

LONGEST_TEXT, LONGEST_FORMULA, LONGEST_BOX, LARGEST_FORMULA = 20_000, 1_000, 300, 2_000
"""Characters of a text that is searched for formulas, of a formula, of a box outside of one, and elements of one."""

MathNode = list[Any]
"""[element, attributes, child or text, ...]"""

OPENING = re.compile(
    rf"""
      \$\$ (?P<dollars>.{{1,{LONGEST_FORMULA}}}?) \$\$
    | \\\[ (?P<brackets>.{{1,{LONGEST_FORMULA}}}?) \\\]
    | \\\( (?P<parentheses>.{{1,{LONGEST_FORMULA}}}?) \\\)
    | (?P<block> \\begin\{{ (?P<name>[A-Za-z]+\*?) \}} .{{1,{LONGEST_FORMULA}}}? \\end\{{(?P=name)\}} )
    | (?<![\\$\w]) \$ (?P<dollar> [^\s$] (?: [^$\n]{{0,{LONGEST_FORMULA}}}? [^\s$\\] )? ) \$ (?![\w$])
    | (?P<box> \\boxed\{{ )
    """,
    re.VERBOSE | re.DOTALL,
)
"""A dollar sign opens a formula only where it cannot be money: nothing blank inside it, no digit after it."""

BLOCKS = ("dollars", "brackets", "block")

ELEMENTS = frozenset(
    {
        "math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "msqrt", "mroot", "mfrac", "msub", "msup", "msubsup",
        "munder", "mover", "munderover", "mtable", "mtr", "mtd", "mstyle", "menclose", "mpadded", "mphantom",
    }
)  # fmt: skip
ATTRIBUTES = frozenset(
    {
        "display", "mathvariant", "stretchy", "fence", "form", "displaystyle", "scriptlevel", "linethickness",
        "columnalign", "rowspacing", "columnspacing", "width", "height", "depth", "lspace", "rspace", "minsize",
        "maxsize", "accent", "accentunder", "largeop", "movablelimits", "symmetric",
    }
)  # fmt: skip
"""What is passed on; links, styles and handlers are not."""


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula in a text.

    Attributes:
        source: as it was written, delimiters included.
        math: its elements.
    """

    source: str
    math: MathNode


def segments(text: str) -> list[str | Formula]:
    """Split a text into plain text and formulas; joined with the formulas' sources it is the same text again.

    Args:
        text: of any kind.
    """
    found: list[str | Formula] = []
    start = 0
    for begin, end, latex, block in _spans(text) if len(text) <= LONGEST_TEXT else ():
        math = mathml(latex, block)
        if math is not None:
            found += [text[start:begin], Formula(text[begin:end], math)]
            start = end
    return [part for part in [*found, text[start:]] if part]


def _spans(text: str) -> Iterator[tuple[int, int, str, bool]]:
    """Begin, end, LaTeX, and whether it stands on lines of its own, of each formula."""
    place = 0
    while (match := OPENING.search(text, place)) is not None:
        kind = str(match.lastgroup) if match.lastgroup != "name" else "block"
        if kind == "box":
            end = _closing(text, match.end())
            place = match.end() if end is None else end
            if end is not None:
                yield match.start(), end, text[match.start() : end], False
        else:
            place = match.end()
            yield match.start(), place, match[kind], kind in BLOCKS


def _closing(text: str, start: int) -> int | None:
    """Behind the brace that closes the one before `start`; None where there is none nearby."""
    depth = 1
    for place in range(start, min(len(text), start + LONGEST_BOX)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if not depth:
            return place + 1
    return None


@lru_cache(maxsize=100_000)
def mathml(latex: str, block: bool) -> MathNode | None:
    """Write LaTeX as MathML; None where that is not possible.

    Args:
        latex: without delimiters.
        block: on lines of its own.
    """
    from latex2mathml.converter import convert_to_element

    try:
        element = convert_to_element(latex, display="block" if block else "inline")
        return _node(element) if sum([1 for _ in element.iter()]) <= LARGEST_FORMULA else None
    except Exception:  # noqa: BLE001 - a formula that no library reads is text; what is raised depends on its text
        return None


def _node(element: Element) -> MathNode:
    if element.tag not in ELEMENTS:
        raise ValueError(element.tag)
    attributes = {name: value for name, value in element.attrib.items() if name in ATTRIBUTES}
    if element.tag == "menclose":
        attributes = {"class": "boxed"} if element.attrib.get("notation") == "box" else {}
    text = _unescaped(element.text or "")
    return [element.tag, attributes, *([text] if text else []), *[_node(child) for child in element]]


def _unescaped(text: str) -> str:
    """Characters instead of the references to them that the library writes."""
    return re.sub(r"&#x([0-9A-Fa-f]{1,6});", lambda found: chr(int(found[1], 16)), text)
