"""Plain numbers and units: exact, and nothing that is not a number."""

from __future__ import annotations

from fractions import Fraction

import pytest
from effort import LINEAR, growth
from hypothesis import given
from hypothesis import strategies as st

from tt_scale.grading.normal import clean, key
from tt_scale.grading.quantity import quantity, same_quantity
from tt_scale.grading.units import split_unit, unit_name


@given(st.integers(), st.integers(min_value=1, max_value=10**6))
def test_fractions_are_exact(top: int, bottom: int) -> None:
    """Floats call 1/3 and 0.3333333333333333 equal, and large integers that differ by one."""
    read = quantity(rf"\frac{{{top}}}{{{bottom}}}")
    slash = quantity(f"{top}/{bottom}")
    assert read is not None
    assert slash is not None
    assert read.value == slash.value == Fraction(top, bottom)


@given(st.integers(min_value=-(10**15), max_value=10**15))
def test_thousands_commas_change_nothing(value: int) -> None:
    """1,234 must be 1234 in every grouping that LaTeX and people use."""
    plain = quantity(str(value))
    for text in (f"{value:,}", f"{value:,}".replace(",", "{,}"), f"{value:,}".replace(",", r"\,"), f"{value:,}."):
        assert quantity(text) == plain


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**6), max_value=10**6))
def test_decimals_are_exact(value: object) -> None:
    """0.1 + 0.2 must be 0.3: decimals are read as fractions, not as floats."""
    read = quantity(f"{value:f}")
    assert read is not None
    assert read.value == Fraction(str(value))


@pytest.mark.parametrize(
    "text",
    ["", "x", "5x", "2t", "5 pi", "1/0", r"\frac{1}{0}", "(1,234)", "1, 234", "5 lakh", "3 or 4", "1e9999999"],
)
def test_texts_that_are_not_numbers(text: str) -> None:
    """A variable taken for a unit would make 2t equal to 2; a huge exponent would eat the memory of the run."""
    assert quantity(text) is None


def test_a_long_number_is_left_to_the_worker() -> None:
    """Python refuses to read 5000 digits: that must not raise in the run's own process."""
    assert quantity("9" * 5000) is None


@pytest.mark.parametrize(
    ("unit", "name"),
    [
        (r" \text{ square inches}", "in^2"),
        (r"\mathrm{~in}^{2}", "in^2"),
        (" cubic feet", "ft^3"),
        (r"\%", "%"),
        (r"^\circ", "°"),
        (r"^{\circ}\text{C}", "°C"),
        (" degrees Fahrenheit", "°F"),
        (r"\text{ m/s}^{2}", "m s^-2"),
        (" miles per hour", "h^-1 mi"),
        ("mph", "h^-1 mi"),
        (r"\frac{\text{m}}{\text{s}}", "m s^-1"),
        (" inches long", "in"),
        (" apples per hour", ""),
        ("th", ""),
        (" p.m.", "pm"),
        (" apples", ""),
    ],
)
def test_unit_names(unit: str, name: str) -> None:
    """Two spellings of one unit must agree, or right answers with units are graded wrong."""
    assert unit_name(clean(unit).replace("~", " ")) == name


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (r"10\pi\text{ cm}", (r"10\pi", r"\text{ cm}")),
        ("10 apples", ("10", " apples")),
        ("5 m", ("5", " m")),
        ("2t", ("2t", "")),
        ("a + b + c", ("a + b + c", "")),
        ("2 ab", ("2 ab", "")),
        (r"10\text{ or }", (r"10\text{ or }", "")),
    ],
)
def test_units_are_distinguished_from_variables(text: str, parts: tuple[str, str]) -> None:
    """Math-Verify removes trailing letters as units, so that it takes a + b + c for a + b."""
    assert split_unit(text) == parts


def test_only_long_gold_decimals_are_rounded() -> None:
    """0.6666666667 in a data set is 2/3; 0.67 is not, and an answer's own rounding earns nothing."""
    third, long, short = (quantity(text) for text in ("2/3", "0.6666666667", "0.67"))
    assert third is not None
    assert long is not None
    assert short is not None
    assert same_quantity(long, third)
    assert not same_quantity(short, third)
    assert not same_quantity(third, long)


@given(st.text(max_size=40))
def test_arbitrary_text_is_accepted(text: str) -> None:
    """Answers are arbitrary text and are read in the run's own process: nothing may raise."""
    quantity(text)
    assert key(clean(text)) == key(text)


@given(st.text(alphabet=r"\{}$^_.,!() 0123456789abcfrtx%", max_size=40))
def test_arbitrary_latex_is_accepted(text: str) -> None:
    """As above, with the characters that the rules look for; cleaning twice must change nothing more."""
    quantity(text)
    assert clean(clean(text)) == clean(text)


@pytest.mark.parametrize(
    "unit", [" ", ",", ".", "{", "$", "\\", "1", "x", "\\,", "1,", "\\frac", "\\text{a} ", "^{", "\\left"]
)
def test_long_answers_are_read_in_linear_time(unit: str) -> None:
    """A degenerate model repeats itself for 50 000 characters; a quadratic rule would hold up every other problem."""
    for work in (key, quantity):
        assert growth(lambda size, work=work: work(f"a{unit * size}b"), 5_000) < LINEAR  # type: ignore[misc,operator]
        assert growth(lambda size, work=work: work(unit * size), 5_000) < LINEAR  # type: ignore[misc,operator]
