"""Answer classes: partition the answers of a pool by equivalence."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tt_scale.core.selection import NO_ANSWER

__all__ = ["Grouping", "equal_texts"]

Grouping = Callable[[Sequence[str | None]], list[int]]
"""(answers) -> class of each, numbered from 0 in order of first appearance, or `NO_ANSWER`."""


def equal_texts(answers: Sequence[str | None]) -> list[int]:
    """Assign equal texts to the same class.

    Args:
        answers: in pool order [members]; None and empty texts belong to no class.

    Returns:
        The class of each member, numbered from 0 in order of first appearance, or `NO_ANSWER` [members].
    """
    numbers: dict[str, int] = {}
    return [numbers.setdefault(answer, len(numbers)) if answer else NO_ANSWER for answer in answers]
