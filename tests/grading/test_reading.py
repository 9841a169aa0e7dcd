"""How answers are read: characters, arguments, words, times, numerals, names and structures."""

from __future__ import annotations

import pytest
from effort import LINEAR, growth, moments
from hypothesis import given
from hypothesis import strategies as st

from tt_scale.grading.arguments import brace_arguments, partners
from tt_scale.grading.characters import to_latex
from tt_scale.grading.clock import clock
from tt_scale.grading.equivalence import settled
from tt_scale.grading.naming import named, same_name
from tt_scale.grading.normal import clean, key
from tt_scale.grading.numerals import numeral_of
from tt_scale.grading.plain_text import to_commands
from tt_scale.grading.prose import choice, has_words, split_remark
from tt_scale.grading.source import for_parser
from tt_scale.grading.structure import structure
from tt_scale.grading.units import same_unit


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("x¹⁰", "x^{10}"),
        ("10⁻³", "10^{-3}"),
        ("log₂8", "log_{2}8"),
        ("3½", r"3\frac{1}{2}"),
        ("²⁄₃", r"\frac{2}{3}"),
        ("³√2", r"\sqrt[3]2"),
        ("𝑥+𝟏", "x+1"),
        ("ascii", "ascii"),
    ],
)
def test_characters(text: str, latex: str) -> None:
    """Math-Verify drops or refuses what is not ASCII: `x¹⁰` was read as `x`."""
    assert to_latex(text) == latex


@pytest.mark.parametrize(
    ("text", "braced"),
    [
        (r"\frac12", r"\frac{1}{2}"),
        (r"\frac123", r"\frac{1}{2}3"),
        (r"\frac\pi{2}", r"\frac{\pi}{2}"),
        (r"\frac\sqrt32", r"\frac{\sqrt{3}}{2}"),
        (r"\frac{\frac12}3", r"\frac{\frac{1}{2}}{3}"),
        (r"\sqrt13", r"\sqrt{13}"),
        (r"\sqrt[3]2", r"\sqrt[3]{2}"),
        (r"\sqrt(x+(1))y", r"\sqrt{x+(1)}y"),
        (r"\sqrt", r"\sqrt"),
        (r"\frac{1}", r"\frac{1}"),
        (r"\frac{1", r"\frac{1"),
        ("x^10", "x^{10}"),
        ("x^-1", "x^{-1}"),
        ("x^(n+1)", "x^{n+1}"),
        (r"90^\circ", r"90^\circ"),
    ],
)
def test_arguments(text: str, braced: str) -> None:
    """What TeX and people read as an argument must be one; what has none is left alone."""
    assert brace_arguments(text) == braced


def test_brackets_are_paired_by_kind() -> None:
    """A half-open interval must not take the braces within it apart."""
    assert partners(r"[0,\frac{1}{2})") == {8: 10, 11: 13}
    assert partners(r"\{(1)\}") == {2: 4}


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("sin(x)", r"\sin(x)"),
        ("sinx", r"\sin x"),
        ("basin", "basin"),
        ("5 sec", "5 sec"),
        ("sec x", r"\sec x"),
        ("5 min", "5 min"),
        ("min(1,2)", r"\min(1,2)"),
        ("x<=2", r"x\le 2"),
        (r"\text{pi}", r"\text{pi}"),
    ],
)
def test_plain_text(text: str, command: str) -> None:
    """A name becomes a function only where it is one: `5 min` is a time, and `basin` holds no sine."""
    assert to_commands(text) == command


@pytest.mark.parametrize(
    ("text", "source"),
    [
        (r"\csc x\cdot\cos x", r"\csc( x)\cdot\cos( x)"),
        (r"\ln 2/3", r"\ln( 2)/3"),
        (r"\sin\pi/6", r"\sin(\pi/6)"),
        ("2(3)", r"2 \cdot (3)"),
        (r"\pi(4)", r"\pi \cdot (4)"),
        ("f'(x)", "f_{prime}(x)"),
        (r"m_{\max}", "m_{max}"),
        ("1e-5", r"1 \cdot 10^{-5}"),
        (r"2\frac{1}{3}", r"2\frac{1}{3}"),
        (r"2\frac{4}{3}", r"2\cdot\frac{4}{3}"),
    ],
)
def test_source(text: str, source: str) -> None:
    """Each of these latex2sympy reads as something else: csc(x cos x), 5 for 2(3), a function named pi."""
    assert for_parser(text) == source


@pytest.mark.parametrize("text", ["9", "3:4", "25:00", "13 pm", "1:60", "x:30", "", "1:03 apples"])
def test_texts_that_are_not_times(text: str) -> None:
    """A ratio or a number taken for a time would be compared by the clock."""
    assert clock(text) is None


@pytest.mark.parametrize("text", ["x_{3}", "A_{12}", "12_{2}", "1202", "base", "a_{16}", "5_{40}", "2 in total"])
def test_texts_that_are_not_numerals(text: str) -> None:
    """A variable with a subscript must not become a number."""
    assert numeral_of(text) is None


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("x=5", "x", "5"),
        ("5=x", "x", "5"),
        (r"m_{\max }=n", "m_max", "n"),
        ("f(x)=2x", "f(x)", "2x"),
        (r"\angle ABC=30^\circ", "angleABC", r"30^\circ"),
        (r"x\in[1,2]", "x", "[1,2]"),
        (r"\text{Area}=6", "Area", "6"),
        ("2x+3y=6", "", "6"),
        ("x^2=4", "", "4"),
        ("x+1", "", "x+1"),
        ("x<5", "", "x<5"),
        ("x=2+3=5", "x", "5"),
    ],
)
def test_names(text: str, name: str, value: str) -> None:
    """An equation of a line is no name with a value: its right side alone is no answer."""
    assert (named(text).name, named(text).value) == (name, value)


def test_a_word_and_a_symbol_may_name_the_same_quantity() -> None:
    """`A = 6` answers `Area = 6`; `x = 6` does not answer `y = 6`."""
    assert same_name("Area", "A")
    assert not same_name("x", "y")
    assert not same_name("Length", "Width")


@pytest.mark.parametrize(
    ("text", "kind", "parts"),
    [
        ("1, 2 and 3", "list", ("1", "2", "3")),
        (r"\{1,2\}", "set", ("1", "2")),
        ("(1,2)", "tuple", ("1", "2")),
        ("[1,2)", "interval", ("1", "2")),
        ("1,234", "atom", ("1,234",)),
        ("1,234, 5", "list", ("1,234", "5")),
        (r"\pm 1", "list", ("+1", "-1")),
        (r"1\pm 2\mp 3", "list", ("1+2-3", "1-2+3")),
        ("x<1", "relation", ("x<1",)),
        (r"(0,1)\cup[2,3]", "union", ("(0,1)", "[2,3]")),
        (r"\begin{pmatrix}1&2\\[4pt]3&4\end{pmatrix}", "matrix", ("1", "2", "3", "4")),
        ("(a,b)=(1,2)", "list", ("a=1", "b=2")),
        ("((x+1))", "atom", ("x+1",)),
        ("f(1,2)", "atom", ("f(1,2)",)),
    ],
)
def test_structures(text: str, kind: str, parts: tuple[str, ...]) -> None:
    """What stands inside brackets divides nothing, and a list within a list stays one part."""
    found = structure(text)
    assert (found.kind, found.parts) == (kind, parts)


@pytest.mark.parametrize(
    ("text", "head", "kind"),
    [
        (r"2x \text{ for all } x", "2x", "free"),
        (r"\pi k, k\in\mathbb{Z}", r"\pi k", "free"),
        ("x^2 for x > 0", "x^{2}", "domain"),
        ("1 if n is even", "1", "condition"),
        ("1 if n is even, 0 otherwise", "1", "condition"),
        ("for all x", "for all x", ""),
        ("see where it goes", "see where it goes", ""),
        (r"x\in\mathbb{R}", r"x\in\mathbb{R}", ""),
    ],
)
def test_remarks(text: str, head: str, kind: str) -> None:
    """Prose after an answer may be dropped only where it says nothing that the answer depends on."""
    assert split_remark(text)[:2] == (head, kind)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("C", ("C", "")),
        ("(C)", ("C", "")),
        ("C. x = 42", ("C", "x = 42")),
        ("option C", ("C", "")),
        ("C or D", None),
        ("C+1", None),
        ("CD", None),
        ("c", None),
        ("A cat", None),
        ("K", None),
    ],
)
def test_choices(text: str, found: tuple[str, str] | None) -> None:
    """A letter in a formula or an article is no choice."""
    assert choice(text) == found


def test_points_are_not_words() -> None:
    """`ABCD` is a quadrilateral and `even` a word: the case of one counts and that of the other does not."""
    assert not has_words("ABCD")
    assert has_words("even")
    assert key("ABCD") != key("abcd")
    assert key("EVEN") == key("Even")


def test_units_that_agree() -> None:
    """Degrees without a scale are those of either scale; the two scales differ."""
    assert same_unit("°", "°C")
    assert same_unit("", "cm")
    assert not same_unit("°C", "°F")
    assert not same_unit("cm", "cm^2")


@given(st.text(alphabet="\\frac{}sqrt[]^_() 0123x,=<&±√⅓¹", max_size=40), st.text(alphabet="x1,()= \\{}", max_size=12))
def test_arbitrary_text_is_accepted(gold: str, answer: str) -> None:
    """Answers are arbitrary and are read in the run's own process: nothing may raise."""
    assert settled(gold, answer) in (True, False, None)
    for_parser(clean(gold))


MOST_MOMENTS = 20
"""For one comparison with a text that is short enough for it."""


@pytest.mark.parametrize(
    "unit", ["(", "{", "1,", "\\frac", "x=", "\\sqrt(", " and ", "\\pm ", "a_", "1:", "\\sin ", "for "]
)
def test_long_answers_are_compared_in_linear_time(unit: str) -> None:
    """A degenerate model repeats itself: comparing its answers must not hold up every other problem."""
    assert growth(lambda size: settled(unit * size, unit * size + "1"), 5_000) < LINEAR
    assert moments(lambda: settled("5", unit * 900), MOST_MOMENTS) < MOST_MOMENTS
