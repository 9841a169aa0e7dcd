"""Matching of structured answers, with a comparison of atoms that only knows equal texts."""

from __future__ import annotations

import pytest

from tt_scale.grading.matching import Comparison, TooManyComparisonsError


def undecided(gold: str, answer: str) -> bool | None:
    """Equal texts are equal; whether two words differ needs algebra."""
    return True if gold == answer else None if (gold + answer).isalpha() else False


@pytest.mark.parametrize(
    ("gold", "answer", "same"),
    [
        ("a, b", "b, a", True),
        ("(1, 2)", "(2, 1)", False),
        ("[1, 2]", "(1, 2)", False),
        ("x = 5", "5", True),
        ("1, 2", "1", False),
        ("1, 2", "1, 2, 2", True),
        ("a, b", "a, c", None),
        ("a, 1", "b, 2", False),
    ],
)
def test_structures(gold: str, answer: str, same: bool | None) -> None:
    """One undecided member leaves the pair undecided; one that differs decides it."""
    assert Comparison(undecided).same(gold, answer) is same


def test_the_number_of_comparisons_is_limited() -> None:
    """Two lists of a thousand members would block the event loop for a million comparisons."""
    gold, answer = ", ".join(map(str, range(50))), ", ".join(map(str, range(100, 150)))
    with pytest.raises(TooManyComparisonsError):
        Comparison(undecided, most=20).same(gold, answer)
