r"""Answers in boxes: `\boxed{2}`, `\fbox{2}` and `\boxed 2`.

    >>> last_boxes(r"$x=\boxed{3}$ or $x=\boxed{5}$.").content
    '3, 5'
    >>> last_boxes(r"First \boxed{5}, no: \boxed{3}").content
    '3'

Boxes that follow each other as one list are one answer: between them are only commas, semicolons, `and` or `or`, with
mathematical delimiters, space and a name like `x=` at most. Any other word between two boxes ends the list, and the
last one counts. Without braces a box holds a number, a capital letter or one command with its arguments: what follows
the bare word `\boxed` in prose is no answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["boxes", "is_placeholder", "last_boxes"]

_TOKENS = re.compile(r"(?P<box>\\(?:boxed|fbox)(?![a-zA-Z])\s*)|\\.|[{}]", re.DOTALL)
_BRACELESS = re.compile(
    r"(?P<plain>[+-]?\.?\d(?:[^\s${}\\]*[^\s${}\\.,;:!?)*])?|(?<![\w])[A-HJ-Z](?![\w'{]))"
    r"|\\(?:[dt]?frac\s*\{[^{}]*\}\s*\{[^{}]*\}|(?:sqrt|text|textbf|mathrm|mathbf)\s*\{[^{}]+\}|pi|infty)"
)
_BETWEEN = re.compile(  # no two parts of it can match the same space, so that it is matched in linear time
    r"""(?:[\s$&]*\\[)\]])?
        (?:[,;]|\\(?:q?quad|text|textbf|mathrm)(?![a-zA-Z])|\\[,;: ]|(?<![a-zA-Z])(?:and|or)(?![a-zA-Z])|[\s$&{}])+
        (?:\\[(\[][\s$]*)?(?:[a-zA-Z](?:_\{?\w+\}?)?(?:\([a-z]\))?\s*=\s*)?""",
    re.VERBOSE,
)
_JOINT = re.compile(r"[,;]|(?<![a-zA-Z])(?:and|or)(?![a-zA-Z])")
_LONGEST_GAP = 60
_NOTHING = re.compile(r"\\(?:[ ,;:!]|(?:quad|qquad|text|textbf|mathrm|mathbf|[lc]?dots|square)(?![A-Za-z]))|~")


@dataclass(frozen=True, slots=True)
class Box:
    """A complete box.

    Attributes:
        start: where its command begins in the text.
        end: where the text goes on.
        content: stripped; may be empty.
    """

    start: int
    end: int
    content: str


def boxes(text: str) -> list[Box]:
    """Find all complete boxes of a text in linear time; of two that are nested, the inner one.

    Args:
        text: a whole solution. An unclosed box is none.
    """
    found = sorted(_complete(text), key=lambda box: box.start)
    inner = [one for one, other in pairwise(found) if one.end <= other.start]
    return [*inner, *found[-1:]]


def last_boxes(text: str) -> Box | None:
    """Give the last box that says something, with those that it follows as one list; None where there is none.

    Args:
        text: a whole solution.
    """
    run: list[Box] = []  # last first
    for box in reversed([box for box in boxes(text) if not is_placeholder(box.content)]):
        if run and not _is_list(text[box.end : run[-1].start]):
            break
        run.append(box)
    if not run:
        return None
    contents = dict.fromkeys(box.content for box in reversed(run))
    return Box(run[-1].start, run[0].end, ", ".join(contents))


def is_placeholder(answer: str) -> bool:
    r"""Whether an answer says nothing: blank, LaTeX space, or dots as in a quoted `\boxed{...}`."""
    return not _NOTHING.sub("", answer).strip(" \t\n{}$.?_…")


def _complete(text: str) -> Iterator[Box]:
    """Yield the boxes in the order in which they end."""
    open_braces: list[tuple[int, int]] = []
    command, after = -1, -1
    for found in _TOKENS.finditer(text):
        if found["box"]:
            command, after = found.start(), found.end()
            if bare := _BRACELESS.match(text, after):
                yield Box(command, bare.end(), bare[0])
        elif found[0] == "{":
            open_braces.append((command if found.start() == after else -1, found.end()))
        elif found[0] == "}" and open_braces:
            start, inside = open_braces.pop()
            if start >= 0:
                yield Box(start, found.end(), text[inside : found.start()].strip())


def _is_list(between: str) -> bool:
    if len(between) > _LONGEST_GAP or not _BETWEEN.fullmatch(between):
        return False
    return bool(_JOINT.search(between))
