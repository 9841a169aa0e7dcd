r"""Extraction of the final answer from a solution. There is no fallback to a bare number.

    >>> extract_answer(r"so \boxed{\frac{9}{7}}")
    '\\frac{9}{7}'
    >>> extract_answer("The final answer is: 12.", "The final answer is:")
    '12'
    >>> extract_answer("**Answer:** 4.", "Answer:")
    '4'
    >>> extract_answer("which leaves us with 3") is None
    True

Whether an answer is correct is decided elsewhere: `tt_scale.grading.equivalence`.

Only the last 100,000 characters of a text are searched, or the last 20,000 if those contain more than 20,000 braces and
backslashes, or more than 2,000 boxes and prefixes, since extraction runs after every step, in the event loop.
"""

from __future__ import annotations

import re
from functools import lru_cache

from tt_scale.core.boxes import is_placeholder, last_boxes

__all__ = ["extract_answer"]

_LONGEST, _DENSEST = 100_000, 20_000
_MOST_CANDIDATES = 2_000
_MOST_MENTIONS = 100
"""Occurrences of the prefix that are examined, from the last one backwards."""
_LONGEST_QUOTATION = 1000
"""Maximum number of characters between the prefix and the closing quotation mark."""
_MARKS = r"[*_]{0,3}"
_LINE_CONTENT = re.compile(r"[^\s*_][^\n]*")
_QUOTES = {'"': '"', "'": "'", "`": "`", "\N{LEFT DOUBLE QUOTATION MARK}": "\N{RIGHT DOUBLE QUOTATION MARK}"}
_QUOTES |= {"\N{LEFT SINGLE QUOTATION MARK}": "\N{RIGHT SINGLE QUOTATION MARK}", "«": "»"}


def extract_answer(text: str, final_answer_prefix: str = "") -> str | None:
    r"""Extract the final answer of a solution; None if it states none.

    The later of two candidates counts: the last balanced box (consecutive boxes that form a list are one answer), or
    the rest of the line after the last `final_answer_prefix`, bold or not. An unclosed box, an empty box and an empty
    line do not count.

    Args:
        text: the whole solution.
        final_answer_prefix: text that precedes the answer; empty if only boxes count.
    """
    text = _searched_end(text, final_answer_prefix)
    boxed = last_boxes(text)
    prefixed = _after_prefix(text, final_answer_prefix) if final_answer_prefix else None
    if prefixed and (not boxed or boxed.end <= prefixed[0]):
        return prefixed[1]
    return boxed.content if boxed else None


def _searched_end(text: str, prefix: str) -> str:
    """The end of a text, which is searched for the answer."""
    text = text[-_LONGEST:]
    candidates = text.count("box") + (text.count(prefix) if prefix else 0)
    dense = candidates > _MOST_CANDIDATES or sum(map(text.count, "{}\\")) > _DENSEST
    return text[-_DENSEST:] if dense else text


def _after_prefix(text: str, prefix: str) -> tuple[int, str] | None:
    """Find the last prefix that is followed by an answer: the offset behind the prefix, and the answer."""
    for mention in reversed([*_prefix_pattern(prefix).finditer(text)][-_MOST_MENTIONS:]):
        line = "" if _is_quoted(text, mention) else _first_line(text, mention.end())
        if not is_placeholder(line):
            return mention.end(), line
    return None


def _is_quoted(text: str, mention: re.Match[str]) -> bool:
    """Whether the prefix is part of a quotation, as in: I shall end with "The answer is: N"."""
    opening = text[max(mention.start() - 4, 0) : mention.start()].rstrip("*_")[-1:]
    if opening not in _QUOTES:
        return False
    rest = text[mention.end() : mention.end() + _LONGEST_QUOTATION].partition("\n")[0]
    return _QUOTES[opening] in rest


@lru_cache(maxsize=64)
def _prefix_pattern(prefix: str) -> re.Pattern[str]:
    """Match a prefix, also in bold or italics with the colon on either side: `**Answer:**` and `**Answer**:`."""
    body = prefix.rstrip(": ") if prefix.rstrip().endswith(":") else prefix
    if not body.strip() or body == prefix:
        return re.compile(re.escape(prefix) + _MARKS)
    return re.compile(rf"{re.escape(body)}{_MARKS}[ ]?:{_MARKS}")


def _first_line(text: str, start: int) -> str:
    """The first nonblank line from an offset on, without emphasis marks and its full stop."""
    line = _LINE_CONTENT.search(text, start)
    return line[0].rstrip("*_ .") if line else ""
