r"""Extraction of boxed answers: `\boxed{2}`, `\fbox{2}` and `\boxed 2`.

    >>> last_boxes(r"$x=\boxed{3}$ or $x=\boxed{5}$.").content
    '3, 5'
    >>> last_boxes(r"First \boxed{5}, no: \boxed{3}").content
    '3'

Consecutive boxes that form a list are one answer: between them are only commas, semicolons, `and` or `or`, and at most
math delimiters, whitespace and a name such as `x=`. Any other word between two boxes ends the list, and the last list
counts, or its last 100 boxes if there are more. Without braces a box contains a number, a capital letter or one command
with its arguments; other text after `\boxed` is prose, not an answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["boxes", "is_placeholder", "last_boxes"]

_TOKENS = re.compile(r"(?P<box>\\{1,4}(?:boxed|fbox)(?![a-zA-Z])\s*)|\\.|[{}]", re.DOTALL)
_BRACELESS = re.compile(
    r"(?P<plain>[+-]?\.?\d(?:[^\s${}\\]*[^\s${}\\.,;:!?)*])?|(?<![\w])[A-HJ-Z](?![\w'{]))"
    r"|\\(?:[dt]?frac\s*\{[^{}]*\}\s*\{[^{}]*\}|(?:sqrt|text|textbf|mathrm|mathbf)\s*\{[^{}]+\}|pi|infty)"
)
_BETWEEN = re.compile(  # no two parts can match the same whitespace, so that matching takes linear time
    r"""(?:[\s$&]*\\[)\]])?
        (?:[,;]|\\(?:q?quad|text|textbf|mathrm)(?![a-zA-Z])|\\[,;: ]|(?<![a-zA-Z])(?:and|or)(?![a-zA-Z])|\\\\|[\s$&{}])+
        (?:\\[(\[][\s$]*)?(?:[a-zA-Z](?:_\{?\w+\}?)?(?:\([a-z]\))?\s*&?\s*=\s*&?\s*)?""",
    re.VERBOSE,
)
_LIST_SEPARATOR = re.compile(r"[,;]|(?<![a-zA-Z])(?:and|or)(?![a-zA-Z])")
_LONGEST_GAP = 60
_MOST_ITEMS = 100
_FILLER = re.compile(
    r"\\(?:[ ,;:!_]|(?:q?quad|text|textbf|mathrm|mathbf|mbox|[lc]?dots|cdot|square|blacksquare|Box)(?![A-Za-z]))"
    r"|\\(?:[hv]?phantom|[hv]space\*?)\s*\{[^{}]*\}|~"
)
_ASKED = re.compile(
    r"[\[<(]?(?:(?:insert|put)\s+)?(?:the|your|my)?\s*(?:final|numeric(?:al)?)?\s*answer(?:\s+here)?[\])>]?"
)
"""What a prompt writes where the answer shall stand: `\\boxed{your answer}`."""


Span = tuple[int, int, int, int]
"""Offsets of a complete box: of its command, of its content, behind the content, and behind the box."""


@dataclass(frozen=True, slots=True)
class Box:
    """A complete box.

    Attributes:
        start: offset of its command in the text.
        end: offset behind it.
        content: stripped; may be empty.
    """

    start: int
    end: int
    content: str


def boxes(text: str) -> list[Box]:
    """Find all complete boxes of a text in linear time; of nested boxes, the innermost.

    Args:
        text: a whole solution. An unclosed box does not count.
    """
    return [_box(text, span) for span in _spans(text)]


def last_boxes(text: str) -> Box | None:
    """Find the last box that has content, joined with the boxes that it forms a list with; None if there is none.

    Args:
        text: a whole solution.
    """
    items: list[Box] = []  # last first
    for span in reversed(_spans(text)):
        box = _box(text, span)
        if is_placeholder(box.content):
            continue
        if items and (len(items) == _MOST_ITEMS or not _joins_a_list(text[box.end : items[-1].start])):
            break
        items.append(box)
    if not items:
        return None
    contents = dict.fromkeys(box.content for box in reversed(items))
    return Box(items[-1].start, items[0].end, ", ".join(contents))


def is_placeholder(answer: str) -> bool:
    r"""Whether an answer has no content: blank, LaTeX spacing, dots or words as in a quoted `\boxed{...}`."""
    said = _FILLER.sub("", answer).strip(" \t\n{}$.?_…-")
    return not said or bool(_ASKED.fullmatch(said.replace("_", " ").lower()))


def _box(text: str, span: Span) -> Box:
    start, inside, closing, end = span
    return Box(start, end, text[inside:closing].strip())


def _spans(text: str) -> list[Span]:
    """Find all complete boxes; of nested boxes, the innermost."""
    complete = sorted(_complete_boxes(text))
    inner = [one for one, other in pairwise(complete) if one[3] <= other[0]]
    return [*inner, *complete[-1:]]


def _complete_boxes(text: str) -> Iterator[Span]:
    """Yield all closed boxes in the order in which they end."""
    open_braces: list[tuple[int, int]] = []
    command, after = -1, -1
    for token in _TOKENS.finditer(text):
        begin, end = token.span()
        if token.lastgroup:
            command, after = begin, end
            if bare := _BRACELESS.match(text, after):
                yield command, after, bare.end(), bare.end()
        elif text[begin] == "{":
            open_braces.append((command if begin == after else -1, end))
        elif text[begin] == "}" and open_braces:
            start, inside = open_braces.pop()
            if start >= 0:
                yield start, inside, begin, end


def _joins_a_list(between: str) -> bool:
    if len(between) > _LONGEST_GAP or not _BETWEEN.fullmatch(between):
        return False
    return bool(_LIST_SEPARATOR.search(between))
