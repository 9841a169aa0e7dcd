r"""Where a solution states its final answer. There is no fallback to a bare number.

    >>> extract_answer(r"so \boxed{\frac{9}{7}}")
    '\\frac{9}{7}'
    >>> extract_answer("The final answer is: 12.", "The final answer is:")
    '12'
    >>> extract_answer("which leaves us with 3") is None
    True

What the answer is worth is not covered here: see `equivalence`.
"""

from __future__ import annotations

from collections.abc import Iterator

from tt_scale.segmentation import is_placeholder, last_boxed

__all__ = ["extract_answer"]

QUOTES = {'"': '"', "'": "'", "`": "`", "\N{LEFT DOUBLE QUOTATION MARK}": "\N{RIGHT DOUBLE QUOTATION MARK}"}
QUOTES |= {"\N{LEFT SINGLE QUOTATION MARK}": "\N{RIGHT SINGLE QUOTATION MARK}", "«": "»"}


def extract_answer(text: str, final_answer_prefix: str = "") -> str | None:
    r"""Give the final answer of a solution, or None where it states none.

    Whichever comes last wins: the last balanced `\boxed{}`, or the rest of the line after the last
    `final_answer_prefix`. An unclosed box, an empty box and an empty line are no answers.

    Args:
        text: the whole solution.
        final_answer_prefix: words that announce the answer; empty where only boxes count.
    """
    boxed = last_boxed(text)
    for start in _unquoted_mentions(text, final_answer_prefix):
        after = text[start + len(final_answer_prefix) :]
        if last_boxed(after) is not None:
            break  # the box comes last
        line = _first_line(after)
        if line and not is_placeholder(line):
            return line
    return boxed.strip() if boxed is not None else None


def _unquoted_mentions(text: str, prefix: str) -> Iterator[int]:
    """Where the prefix stands, last first, without quotations of it: `end with "The answer is: N"` is none."""
    end = len(text)
    while prefix and (start := text.rfind(prefix, 0, end)) >= 0:
        mark = text[:start].rstrip("*_")[-1:]
        line = text[start + len(prefix) :].split("\n", 1)[0]
        if not (mark in QUOTES and mark and QUOTES[mark] in line):
            yield start
        end = start


def _first_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[0].strip().rstrip(".").rstrip() if lines else ""
