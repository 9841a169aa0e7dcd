"""Values of formulas: exact where both are rational, relative else, and nothing that is not shown."""

from __future__ import annotations

import asyncio

import pytest

from tt_scale.errors import GradingError
from tt_scale.grading import Grader
from tt_scale.grading.equivalence import equivalent
from tt_scale.grading.expression import read_formula, same_value


@pytest.mark.parametrize(
    ("gold", "answer", "same"),
    [
        (r"\frac{1}{20!}", r"\frac{1}{21!}", False),
        (r"\frac{1}{20!}", r"\frac{21}{21!}", True),
        ("2^{2024}-1", "2^{2024}", False),
        (r"\pi^{1000}", r"\pi^{1001}", False),
        (r"10^{-40}\pi", "0", False),
        (r"\sqrt{2}\sqrt{3}", r"\sqrt{6}", True),
        ("(x+1)^2", "x^2+2x+1", True),
        (r"\sqrt{x^2}", "x", False),
        (r"\sqrt{x^2}", "|x|", True),
        ("R-r", "r-R", False),
        ("0.1", "0.1000000000000000055511151231257827", False),
        ("x", r"x+10^{-15}", False),
        (r"\infty", r"-\infty", False),
        (r"\infty", "5", False),
    ],
)
def test_values(gold: str, answer: str, same: bool) -> None:
    """Math-Verify calls everything below 1e-15 equal, and fails above 1e308."""
    assert same_value(read_formula(gold), read_formula(answer)) is same


def test_expressions_without_a_value_are_not_compared() -> None:
    """Relations and sums up to n have no value at a point: they must not count as equal or different."""
    assert same_value(read_formula("x<1"), read_formula("x<2")) is None
    assert same_value(read_formula(r"\sum_{k=1}^{n} k"), read_formula(r"\sum_{k=1}^{n} n")) is None


def test_formulas_that_cannot_be_parsed() -> None:
    """A reader that gives a part of a broken formula would grade the part."""
    for broken in (r"\frac{1}{", "x + * 3", r"\sqrt[3]"):
        with pytest.raises(GradingError, match="cannot parse"):
            read_formula(broken)
    with pytest.raises(GradingError):
        equivalent("5", r"\frac{1}{")
    with pytest.raises(GradingError):
        equivalent(r"\frac{1}{", "5")


def test_votes_use_the_same_forms() -> None:
    """A pool in which one answer is spelled in ten ways holds one candidate, and its neighbours are others."""
    same = [r"\frac{\sqrt{3}}{2}", "√3/2", "sqrt(3)/2", r"\frac{√3}{2}", r"\frac\sqrt32", "(√3)/2", r"\sin 60^\circ"]
    others = ["√2/3", "√(3/2)", "R-r", "r-R", "1:03 AM", "1:03 PM", "10 cm", "10 m"]

    async def classes() -> list[int]:
        with Grader(seconds=20.0) as grader:
            return await grader.group([*same, *others, None, ""])

    found = asyncio.run(classes())
    assert found == [*[0] * len(same), *range(1, len(others) + 1), -1, -1]
