"""Classes of answers by equal text."""

from __future__ import annotations

from tt_scale.core.answer_classes import equal_texts
from tt_scale.core.selection import NO_ANSWER


def test_classes_are_numbered_in_order_of_appearance() -> None:
    """Numbers in sorted order would let the spelling of an answer break ties of the vote."""
    assert equal_texts(["7", "5", "7", "3", "5"]) == [0, 1, 0, 2, 1]


def test_missing_and_empty_answers_belong_to_no_class() -> None:
    """Blank answers that form a class would win a majority."""
    assert equal_texts([None, "", "7", None]) == [NO_ANSWER, NO_ANSWER, 0, NO_ANSWER]
    assert equal_texts([]) == []
