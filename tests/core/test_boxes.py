"""Boxes: what is one, and which of several are one answer."""

from __future__ import annotations

from itertools import pairwise

import pytest
from effort import LINEAR, growth
from hypothesis import given
from hypothesis import strategies as st

from tt_scale.core.boxes import boxes, last_boxes
from tt_scale.grading import extract_answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"so \fbox{1230}", "1230"),
        (r"so \fbox {12}.", "12"),
        (r"\fbox{5}, no: \boxed{7}", "7"),
        (r"\boxed{5}, no: \fbox{7}", "7"),
        (r"\fbox{unclosed", None),
        (r"It is $\boxed 2$.", "2"),
        (r"It is $\boxed2$.", "2"),
        (r"It is \boxed -3.", "-3"),
        (r"It is \boxed 12.5.", "12.5"),
        (r"It is \boxed \frac{1}{2}.", r"\frac{1}{2}"),
        (r"It is \boxed\text{even}.", r"\text{even}"),
        (r"It is \boxed C.", "C"),
        (r"Put it in a \boxed environment.", None),
        (r"Use \boxed and stop.", None),
        (r"In \boxed I write it.", None),
        (r"\boxed", None),
        (r"\boxedx{3}", None),
        ("\\boxed\n{3}", "3"),
        (r"\boxed{\boxed{3}}", "3"),
        (r"{\boxed{3}} and }", "3"),
        (r"I must use \boxed{}. So \boxed{7}", "7"),
        (r"So \boxed{7}, in \boxed{}", "7"),
        (r"So \boxed{7}, as asked in \boxed{answer}", "7"),
        (r"I shall write \boxed{your final answer}.", None),
        (r"I shall write \boxed{\text{answer}} or \boxed{<answer here>}.", None),
        (r"I shall write \boxed{\phantom{x}} or \boxed{\_\_}.", None),
        (r"I shall write \boxed{\Box} or \boxed{-}.", None),
        (r"So \boxed{-7}", "-7"),
        (r"So \\boxed{7}", "7"),
        ("x=3 \\\\\n\\boxed{7}", "7"),
    ],
)
def test_what_is_a_box(text: str, answer: str | None) -> None:
    """A model that frames its answer otherwise, or quotes the command, must be read as people read it."""
    assert extract_answer(text) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"$x=\boxed{3}$ or $x=\boxed{5}$.", "3, 5"),
        (r"\boxed{3}, \boxed{5}", "3, 5"),
        (r"\boxed{3} and \boxed{5}", "3, 5"),
        (r"\(\boxed{3}\) and \(\boxed{5}\)", "3, 5"),
        (r"\[\boxed{3}, \quad \boxed{5}\]", "3, 5"),
        (r"$\boxed{3}$, $\boxed{4}$, and $\boxed{5}$", "3, 4, 5"),
        (r"\boxed{3} \text{ or } \boxed{5}", "3, 5"),
        (r"g(x)=\boxed{2x} or g(x)=\boxed{-2x}", "2x, -2x"),
        (r"\boxed{3}; \boxed{5}", "3, 5"),
        (r"\begin{aligned} x &= \boxed{3}, & y &= \boxed{4} \end{aligned}", "3, 4"),
        (r"x=\boxed{3} \\ or \\ x=\boxed{4}", "3, 4"),
        (r"x=\boxed{3} \\ x=\boxed{4}", "4"),
        (r"\boxed{3}, \boxed{3}", "3"),
        (r"First \boxed{1}. Later $\boxed{3}$ and $\boxed{5}$.", "3, 5"),
        (r"\boxed{3}. \boxed{5}", "5"),
        (r"\boxed{3} \boxed{5}", "5"),
        (r"\boxed{3}, but also \boxed{5}", "5"),
        (r"\boxed{5}, or rather \boxed{3}", "3"),
        (r"\boxed{5}, no, \boxed{3}", "3"),
        ("\\boxed{3}\n\nSo the answer is \\boxed{3}", "3"),
        (r"\boxed{3}, \boxed{}", "3"),
        (r"\boxed{3}, \boxed{5", "3"),
    ],
)
def test_several_boxes_as_one_list(text: str, answer: str) -> None:
    """The items of a list may be boxed one by one; a correction must not be joined with the answer that it replaces."""
    assert extract_answer(text) == answer


@pytest.mark.parametrize(
    "unit",
    [
        "\\boxed{",
        "\\boxed{}",
        "\\boxed",
        "\\fbox{1}, ",
        "{",
        "}",
        "\\",
        "\\boxed 1 ",
        "Answer: ",
        '"Answer: 1" ',
        "\nAnswer: .",
    ],
)
def test_boxes_are_found_in_linear_time(unit: str) -> None:
    """A model that repeats `\\boxed{` for its whole budget must not hold up every other problem."""
    assert growth(lambda size: extract_answer(unit * size, "Answer:"), 2_000) < LINEAR


@given(st.text(alphabet="\\boxedf{}1, $", max_size=60))
def test_arbitrary_text_is_accepted(text: str) -> None:
    """Boxes of arbitrary text are in order, apart from each other, and where they say they are."""
    found = boxes(text)
    assert all(one.end <= other.start for one, other in pairwise(found))
    assert all(text.startswith("\\", box.start) for box in found)
    last = last_boxes(text)
    assert last is None or last.content
