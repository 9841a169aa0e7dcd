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

from tt_scale.segmentation import last_boxed

__all__ = ["extract_answer"]


def extract_answer(text: str, final_answer_prefix: str = "") -> str | None:
    r"""Give the final answer of a solution, or None where it states none.

    Whichever comes last wins: the last balanced `\boxed{}`, or the rest of the line after the last
    `final_answer_prefix`. An unclosed box, an empty box and an empty line are no answers.

    Args:
        text: the whole solution.
        final_answer_prefix: words that announce the answer; empty where only boxes count.
    """
    if final_answer_prefix:
        _, found, after = text.rpartition(final_answer_prefix)
        line = _first_line(after)
        if found and line and last_boxed(after) is None:
            return line
    boxed = last_boxed(text)
    return (boxed.strip() or None) if boxed is not None else None


def _first_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[0].strip().rstrip(".").rstrip() if lines else ""
