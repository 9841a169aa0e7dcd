r"""Where a solution states its final answer. There is no fallback to a bare number.

    >>> extract_answer(r"so \boxed{\frac{9}{7}}")
    '\\frac{9}{7}'
    >>> extract_answer("The final answer is: 12.", "The final answer is:")
    '12'
    >>> extract_answer("**Answer:** 4.", "Answer:")
    '4'
    >>> extract_answer("which leaves us with 3") is None
    True

What the answer is worth is not covered here: see `equivalence`.

Only the last 100,000 characters of a text are read, and the last 20,000 where these hold more than 20,000 braces and
backslashes: an answer is looked for after every step, while other problems wait.
"""

from __future__ import annotations

import re
from functools import lru_cache

from tt_scale.core.boxes import is_placeholder, last_boxes

__all__ = ["extract_answer"]

_LONGEST, _DENSEST = 100_000, 20_000
_MOST_MENTIONS = 100
"""Announcements that are looked at, from the last one on; of more, none says anything."""
_LONGEST_QUOTATION = 1000
"""Characters between the opening and the closing sign of a quotation."""
_MARKS = r"[*_]{0,3}"
_SAID = re.compile(r"[^\s*_][^\n]*")
_QUOTES = {'"': '"', "'": "'", "`": "`", "\N{LEFT DOUBLE QUOTATION MARK}": "\N{RIGHT DOUBLE QUOTATION MARK}"}
_QUOTES |= {"\N{LEFT SINGLE QUOTATION MARK}": "\N{RIGHT SINGLE QUOTATION MARK}", "«": "»"}


def extract_answer(text: str, final_answer_prefix: str = "") -> str | None:
    r"""Give the final answer of a solution, or None where it states none.

    Whichever comes last wins: the last balanced box (several that follow each other as one list are one answer), or the
    rest of the line after the last `final_answer_prefix`, bold or not. An unclosed box, an empty box and an empty line
    are no answers.

    Args:
        text: the whole solution.
        final_answer_prefix: words that announce the answer; empty where only boxes count.
    """
    text = _end_of(text)
    boxed = last_boxes(text)
    announced = _announced(text, final_answer_prefix) if final_answer_prefix else None
    if announced and (not boxed or boxed.end <= announced[0]):
        return announced[1]
    return boxed.content if boxed else None


def _end_of(text: str) -> str:
    """The part of a text that is read."""
    text = text[-_LONGEST:]
    return text[-_DENSEST:] if sum(map(text.count, "{}\\")) > _DENSEST else text


def _announced(text: str, prefix: str) -> tuple[int, str] | None:
    """Find the last line that is announced and says something: where it begins, and what it says."""
    for found in reversed([*_announcement(prefix).finditer(text)][-_MOST_MENTIONS:]):
        line = "" if _quoted(text, found) else _first_line(text, found.end())
        if not is_placeholder(line):
            return found.end(), line
    return None


def _quoted(text: str, announced: re.Match[str]) -> bool:
    """Whether a mention is a quotation, as in: I shall end with "The answer is: N"."""
    opening = text[max(announced.start() - 4, 0) : announced.start()].rstrip("*_")[-1:]
    if opening not in _QUOTES:
        return False
    rest = text[announced.end() : announced.end() + _LONGEST_QUOTATION].partition("\n")[0]
    return _QUOTES[opening] in rest


@lru_cache(maxsize=64)
def _announcement(prefix: str) -> re.Pattern[str]:
    """Match a prefix that may be bold or in italics, with its colon or without: `**Answer:**` and `**Answer**:`."""
    body = prefix.rstrip(": ") if prefix.rstrip().endswith(":") else prefix
    if not body.strip() or body == prefix:
        return re.compile(re.escape(prefix) + _MARKS)
    return re.compile(rf"{re.escape(body)}{_MARKS}[ ]?:{_MARKS}")


def _first_line(text: str, start: int) -> str:
    """Give the first line from a place on that says something, without the marks around it and its full stop."""
    said = _SAID.search(text, start)
    return said[0].rstrip("*_ .") if said else ""
