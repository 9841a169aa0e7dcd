"""Classes of answers: which members of a pool say the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tt_scale.core.selection import NO_ANSWER

__all__ = ["Grouping", "equal_texts"]

Grouping = Callable[[Sequence[str | None]], list[int]]
"""(answers) -> the class of each, numbered from 0 in order of first appearance, or `NO_ANSWER`."""


def equal_texts(answers: Sequence[str | None]) -> list[int]:
    """Number the classes of answers whose texts are equal.

    Args:
        answers: in pool order [members]; None and empty texts are in no class.

    Returns:
        For each member its class, numbered from 0 in order of first appearance, or `NO_ANSWER` [members].
    """
    numbers: dict[str, int] = {}
    return [numbers.setdefault(answer, len(numbers)) if answer else NO_ANSWER for answer in answers]
