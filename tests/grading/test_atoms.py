"""Comparison of atoms without algebra."""

from __future__ import annotations

import pytest

from tt_scale.grading.atoms import compare_choices, compare_numbers, compare_plain, in_words


@pytest.mark.parametrize(
    ("gold", "answer", "same"),
    [
        ("0.5", r"\frac{1}{2}", True),
        ("9 am", "21:00", False),
        ("3:4", "6:8", True),
        ("3:4", "0.75", True),
        ("3:4", "4:3", False),
        ("3:4:5", "3:4", False),
        ("x", "3", None),
    ],
)
def test_numbers_times_and_ratios(gold: str, answer: str, same: bool | None) -> None:
    """A ratio is compared with the number that it equals."""
    assert compare_numbers(gold, answer) is same


@pytest.mark.parametrize(
    ("gold", "answer", "same"),
    [("C", "(C) 42", True), ("C", "(B) 42", False), ("(C) 42", "(C) 41", False), ("C", "42", None)],
)
def test_choices(gold: str, answer: str, same: bool | None) -> None:
    """The right letter with the text of another choice is wrong."""
    assert compare_choices(gold, answer) is same


def test_words_and_formulas_are_distinguished() -> None:
    """A product of variables must not be compared as a word, nor a word as a product."""
    assert compare_plain("even", "odd") is False
    assert compare_plain("abc", "cba") is None
    assert compare_plain(r"\text{even}", "4") is False
    assert in_words(r"\text{no solution}")
    assert not in_words(r"5 \text{ cm}")
