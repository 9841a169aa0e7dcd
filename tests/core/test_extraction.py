"""Extraction: what counts as a final answer, and what must not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tt_scale.grading import extract_answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"so \boxed{9}.", "9"),
        (r"\boxed{5}, or rather \boxed{\frac{9}{7}}", r"\frac{9}{7}"),
        (r"\boxed{9} and then \boxed{unclosed", "9"),
        (r"\boxed{unclosed", None),
        (r"\boxed{\frac{9}{7}", None),
        (r"\boxed{}", None),
        (r"\boxed{ }", None),
        ("", None),
        ("the answer is 3", None),
        ("as in case 3", None),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed{a\}b}", r"a\}b"),
    ],
)
def test_boxes(text: str, answer: str | None) -> None:
    """Truncated text must not yield an answer: an unclosed box or a number in prose would vote."""
    assert extract_answer(text) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Answer: 12", "12"),
        ("Answer: 12. ", "12"),
        ("Answer: 1/2\nI hope that it is correct.", "1/2"),
        ("Answer:\n7", "7"),
        ("Answer: 3\nWait. Answer: 4", "4"),
        (r"Answer: 3, no: \boxed{4}", "4"),
        (r"\boxed{4}, no. Answer: 3", "3"),
        (r"Answer: \boxed{3}.", "3"),
        (r"\boxed{4} Answer: ", "4"),
        ("The difference is 4.\n\n**Answer:** 4.", "4"),
        ("so **Answer: D**", "D"),
        ("**Answer**: 4", "4"),
        ("__Answer:__ 4", "4"),
        ("*Answer:* $x$", "$x$"),
        ("**Answer:**\n\n4", "4"),
        ("Answer: **4**.", "4"),
        ("Answer: .5", ".5"),
        ("Answer: -3", "-3"),
        ("Answer: 2**3", "2**3"),
        ("Answer: 3\nAnswer:", "3"),
        (r"**Answer:** \boxed{7}", "7"),
        ("**Answer:** **", None),
        ("Answer: .", None),
        ("Answer: .\nI hope that it is correct.", None),
        ('Answer: 3\nI said "Answer: N".', "3"),
        ("Answer:", None),
        ("no prefix, 3", None),
    ],
)
def test_prefix(text: str, answer: str | None) -> None:
    """The later statement wins: taking the prefix first would grade an answer that the model took back."""
    assert extract_answer(text, "Answer:") == answer


@given(st.text(alphabet="ab{}\\ 1", max_size=30), st.sampled_from(["", "a"]))
def test_arbitrary_text_is_accepted(text: str, prefix: str) -> None:
    """Model output is arbitrary: extraction must neither raise nor return blank answers."""
    answer = extract_answer(text, prefix)
    assert answer is None or (answer == answer.strip() and answer)


@given(st.text(alphabet="ab1+ ", min_size=1).filter(str.strip), st.text(alphabet="xy. \n"))
def test_a_box_is_found_anywhere_in_a_text(content: str, around: str) -> None:
    """Text around a box must not change what is in it."""
    assert extract_answer(f"{around}\\boxed{{{content}}}{around}") == content.strip()
