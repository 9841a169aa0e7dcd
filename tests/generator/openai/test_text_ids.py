"""Ids of text: as many as tokens were counted, readable again, the same everywhere, exact as doubles."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tt_scale.base_classes import Step
from tt_scale.core.segmentation import split_steps
from tt_scale.errors import GeneratorError
from tt_scale.generator.openai.text_ids import FIRST_TEXT_ID, TextIds, cut_into

TEXTS = st.lists(st.sampled_from(["a", "\n\n", "\n", "é", "漢字", " word", "😀", ".", "\n## Step"]), max_size=40).map(
    "".join
)


@given(TEXTS, st.integers(1, 80))
@settings(deadline=None)
def test_pieces_join_to_the_text(text: str, count: int) -> None:
    """A budget is kept by counting ids; a text that lost a character is another path than was scored."""
    pieces = cut_into(text, count, ("\n\n", "\n## Step"))
    assert len(pieces) == count
    assert "".join(pieces) == text
    ids = TextIds()
    found = ids.encode(pieces)
    assert [ids.decode(token) for token in found] == pieces
    assert all(FIRST_TEXT_ID <= token < 2**53 for token in found)
    assert json.loads(json.dumps([float(token) for token in found])) == list(found)
    assert found == TextIds().encode(pieces)


@given(TEXTS)
@settings(deadline=None)
def test_steps_end_where_delimiters_do(text: str) -> None:
    """A whole answer is cut into the steps that would have been drawn one by one."""
    ids = TextIds()
    pieces = cut_into(text, max(len(text), 1), ("\n\n",))
    steps = split_steps(Step(text, ids.encode(pieces), "eos"), pieces, ("\n\n",))
    assert "".join([step.text for step in steps]) == text
    for step in steps[:-1]:
        assert step.text.endswith("\n\n")
        assert "".join([ids.decode(token) for token in step.ids]) == step.text


def test_pieces_are_allocated_by_length() -> None:
    assert cut_into("1, 2, 3\n\nNow we\n\n", 6, ("\n\n",)) == ["1, ", "2, ", "3\n\n", "No", "w w", "e\n\n"]
    assert cut_into("ab", 4, ()) == ["", "", "a", "b"]
    assert cut_into("", 2, ()) == ["", ""]
    assert cut_into("a\n\nb\n\nc", 2, ("\n\n",)) == ["a\n\n", "b\n\nc"]


def test_short_pieces_need_no_memory() -> None:
    """A tree that was written down is read by another process."""
    written = TextIds().encode(["é\n\n", "", "think!"])
    assert [TextIds().decode(token) for token in written] == ["é\n\n", "", "think!"]
    [long] = TextIds().encode(["a longer piece"])
    with pytest.raises(GeneratorError, match="another process encoded"):
        TextIds().decode(long)
    with pytest.raises(GeneratorError, match="belongs to a tokenizer"):
        TextIds().decode(17)


def test_marks_have_no_text() -> None:
    ids = TextIds()
    assert len({ids.mark(number) for number in range(3)}) == 3
    assert [ids.decode(ids.mark(number)) for number in range(3)] == [""] * 3
