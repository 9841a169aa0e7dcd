"""Ids of text: as many as tokens were counted, readable again, the same everywhere, exact as doubles."""

from __future__ import annotations

import copy
import gc
import json
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tt_scale.base_classes import Step
from tt_scale.core.segmentation import split_steps
from tt_scale.errors import GeneratorError
from tt_scale.generator.openai.text_ids import FIRST_TEXT_ID, cut_into, mark_id, text_ids, text_of_id
from tt_scale.space.coercion import plain_step

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
    found = text_ids(pieces)
    assert [text_of_id(token) for token in found] == pieces
    assert all(FIRST_TEXT_ID <= token < 2**53 for token in found)
    assert json.loads(json.dumps([float(token) for token in found])) == list(found)
    assert found == text_ids(pieces)


@given(TEXTS)
@settings(deadline=None)
def test_steps_end_where_delimiters_do(text: str) -> None:
    """A whole answer is cut into the steps that would have been drawn one by one."""
    pieces = cut_into(text, max(len(text), 1), ("\n\n",))
    steps = split_steps(Step(text, text_ids(pieces), "eos"), pieces, ("\n\n",))
    assert "".join([step.text for step in steps]) == text
    for step in steps[:-1]:
        assert step.text.endswith("\n\n")
        assert "".join([text_of_id(token) for token in step.ids]) == step.text


def test_pieces_are_allocated_by_length() -> None:
    assert cut_into("1, 2, 3\n\nNow we\n\n", 6, ("\n\n",)) == ["1, ", "2, ", "3\n\n", "No", "w w", "e\n\n"]
    assert cut_into("ab", 4, ()) == ["", "", "a", "b"]
    assert cut_into("", 2, ()) == ["", ""]
    assert cut_into("a\n\nb\n\nc", 2, ("\n\n",)) == ["a\n\n", "b\n\nc"]


def test_ids_of_short_pieces_are_read_from_a_file() -> None:
    """A tree that was written down is read by another process."""
    written = json.loads(json.dumps(text_ids(["é\n\n", "", "think!", "a longer piece"])))
    assert [text_of_id(token) for token in written[:3]] == ["é\n\n", "", "think!"]
    with pytest.raises(GeneratorError, match="read without the text"):
        text_of_id(written[3])
    with pytest.raises(GeneratorError, match="belongs to a tokenizer"):
        text_of_id(17)


def test_a_long_piece_lives_as_long_as_its_id() -> None:
    """Each piece was kept in a table that grew for as long as a server ran."""
    [token] = text_ids(["".join(["a longer", " piece"])])
    piece = text_of_id(token)
    before = sys.getrefcount(piece)
    del token
    gc.collect()
    assert sys.getrefcount(piece) == before - 1


def test_another_process_receives_the_text() -> None:
    ids = copy.deepcopy(text_ids(["a longer piece", "é"]))  # by the protocol of pickle, which Ray uses
    assert [text_of_id(token) for token in ids] == ["a longer piece", "é"]
    assert ids == text_ids(["a longer piece", "é"])


def test_the_text_survives_the_border_of_a_search() -> None:
    """Converted to plain integers, the ids of a path could not be sent again."""
    ids = text_ids(["a longer piece", "é"])
    for text in ("a longer pieceé", "\ud800"):  # the second is converted
        step = plain_step(Step(text, ids, "stop"))
        assert [text_of_id(token) for token in step.ids] == ["a longer piece", "é"]


def test_marks_have_no_text() -> None:
    marks = [mark_id(number) for number in range(3)]
    assert len(set(marks)) == 3
    assert [text_of_id(mark) for mark in marks] == [""] * 3
