"""Step segmentation, and the completeness of answers."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import tape_space

from tt_scale.base_classes import Step
from tt_scale.core.extraction import extract_answer
from tt_scale.core.final_answer import FinalAnswer
from tt_scale.core.path import Path
from tt_scale.core.segmentation import MOST_ENDS, is_blank, split_steps, step_texts
from tt_scale.space.search_space import SearchSpace

DELIMITERS = [("\n\n",), ("\n## Step",), ("\n\n", "\n## Step"), ("\n",), ("###",)]
PIECES = ["a", " b", "c.", "\n", "\n\n", ".\n\n", "\n\n#", "\n\nd", " ", "\n## Step", "\n##", " Step", "# 2", "###", ""]
tapes = st.lists(st.sampled_from(PIECES), min_size=1, max_size=8)  # never more blank steps than a space draws on


def whole(pieces: Sequence[str]) -> Step:
    return Step("".join(pieces), tuple(range(len(pieces))), "eos", seed=5, temperature=0.7, cached=3)


def sampled_one_by_one(pieces: Sequence[str], delimiters: Sequence[str]) -> list[tuple[int, int]]:
    """What an engine gives step by step: each request ends with the piece that completes a delimiter in its own
    text; what says nothing belongs to the step after it, at the end to the step before it."""
    bounds: list[tuple[int, int]] = []
    begin = at = 0
    while at < len(pieces):
        text = ""
        while at < len(pieces) and not any(delimiter in text for delimiter in delimiters):
            text += pieces[at]
            at += 1
        for delimiter in delimiters:
            text = text.replace(delimiter, "")
        if text.strip():
            bounds.append((begin, at))
            begin = at
    if begin < at:
        bounds = [*bounds[:-1], (bounds[-1][0], at)] if bounds else [(0, at)]
    return bounds


@settings(max_examples=400, deadline=None, derandomize=True)
@given(pieces=tapes, delimiters=st.sampled_from(DELIMITERS))
def test_whole_solutions_are_cut_where_steps_would_have_ended(pieces: list[str], delimiters: tuple[str, ...]) -> None:
    """Best-of-N scored by other steps than the step methods: two splitters that disagree."""
    steps = split_steps(whole(pieces), pieces, delimiters)
    assert [step.ids for step in steps] == [
        tuple(range(begin, end)) for begin, end in sampled_one_by_one(pieces, delimiters)
    ]


@pytest.mark.parametrize(("delimiters", "step_tokens"), [(("\n\n",), None), ((), 2)])
def test_a_text_of_very_many_steps_is_cut_into_a_limited_number(
    delimiters: tuple[str, ...], step_tokens: int | None
) -> None:
    """A model that repeats itself would block all other searches for as long as its text has steps."""
    pieces = ["a", "\n\n"] * (2 * MOST_ENDS)
    steps = split_steps(whole(pieces), pieces, delimiters, step_tokens)
    assert [step.ids for step in steps[:-1]] == [(at, at + 1) for at in range(0, 2 * MOST_ENDS, 2)]
    assert steps[-1].ids == tuple(range(2 * MOST_ENDS, len(pieces)))
    assert "".join([step.text for step in steps]) == "".join(pieces)


def test_a_blank_step_is_merged_with_the_whole_step_after_it() -> None:
    """The shortest case of the law above: the step after a blank one was cut at its first token."""
    pieces = ["\n\n", "a", "b", "\n\n", "c"]
    steps = split_steps(whole(pieces), pieces, ("\n\n",))
    assert [step.text for step in steps] == ["\n\nab\n\n", "c"]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(pieces=tapes, delimiters=st.sampled_from([*DELIMITERS, ()]))
def test_splitting_preserves_ids_and_text(pieces: list[str], delimiters: tuple[str, ...]) -> None:
    """Ids and text that part ways, blank steps that are scored, a cache hit that is counted once per step."""
    solution = whole(pieces)
    steps = split_steps(solution, pieces, delimiters)
    assert tuple(token for step in steps for token in step.ids) == solution.ids
    assert "".join(step.text for step in steps) == solution.text
    for step in steps:
        assert step.text == "".join(pieces[token] for token in step.ids)
    assert len(steps) == 1 or not any(is_blank(step.text, delimiters) for step in steps)
    assert [step.ended for step in steps] == ["stop"] * (len(steps) - 1) + ["eos"]
    assert sum(step.cached for step in steps) == 3
    assert {(step.seed, step.temperature) for step in steps} == {(5, 0.7)}


async def walk(space: SearchSpace) -> Path:
    [path] = space.roots()
    while path.is_open:
        assert space.expansions < 50, "a path grows for ever"
        [[path]] = await space.expand([path], temperature=0.7)
    return path


async def complete(space: SearchSpace) -> Path:
    [[path]] = await space.complete(space.roots(), temperature=0.7)
    return path


@settings(max_examples=300, deadline=None, derandomize=True)
@given(pieces=tapes, delimiters=st.sampled_from(DELIMITERS), most=st.sampled_from([3, 6, 100]))
async def test_step_by_step_or_whole_is_the_same_path(
    pieces: list[str], delimiters: tuple[str, ...], most: int
) -> None:
    """The same tokens that are a different solution, depending on the verb that drew them."""
    one = await walk(tape_space(pieces, stop_tokens=delimiters, max_tokens=most)[0])
    other = await complete(tape_space(pieces, stop_tokens=delimiters, max_tokens=most)[0])
    assert [step.ids for step in one.steps] == [step.ids for step in other.steps]
    assert [step.text for step in one.steps] == [step.text for step in other.steps]
    assert one.state == other.state
    if one.is_finished:  # truncated paths never vote; those that are drawn whole are not scored
        assert (one.scores, one.score) == (other.scores, other.score)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    before=st.lists(st.sampled_from(["a", " b\n\n", "c\n\n"]), max_size=3),
    after=st.lists(st.sampled_from(["\n\n", " d", "e\n\n", "\\boxed{8}\n\n"]), max_size=4),
)
async def test_both_verbs_stop_at_the_first_complete_answer(before: list[str], after: list[str]) -> None:
    """A whole solution judged by what it says after its answer: there the last box counts, step by step the first."""
    pieces = [*before, "\\boxed{7}", ".\n\n", *after]
    one = await walk(tape_space(pieces, path_end="answer")[0])
    other = await complete(tape_space(pieces, path_end="answer")[0])
    assert one.state == other.state == "finished"
    assert [step.text.strip() for step in one.steps] == [step.text.strip() for step in other.steps]
    assert extract_answer(other.text) == "7"


@pytest.mark.parametrize("delimiters", [(), ("\n\n",)])
def test_a_continuation_of_nothing_is_one_step(delimiters: tuple[str, ...]) -> None:
    """A failed request has no ids: cutting it must hand its error on, not end the search."""
    nothing = Step("", (), "error", error="no")
    assert split_steps(nothing, [], delimiters) == [nothing]


@pytest.mark.parametrize(
    ("texts", "delimiters", "expected"),
    [
        (["So.\n\n", "Then.\n\n", "End"], ("\n\n",), ["So.", "Then.", "End"]),
        (
            ["## Step 1: add\nthem\n## Step", " 2: halve\n## Step", " 3: done"],
            ("\n## Step",),
            ["## Step 1: add\nthem", "## Step 2: halve", "## Step 3: done"],
        ),
        (["a\n## Step", " 2\n\n", "b"], ("\n\n", "\n## Step"), ["a", "## Step 2", "b"]),
        (["a b", "c"], (), ["a b", "c"]),
        (["a \n## Step 2 and\n## Step", " 3"], ("\n## Step",), ["a \n## Step 2 and", "## Step 3"]),
        ([], ("\n\n",), []),
    ],
)
def test_step_texts(texts: list[str], delimiters: tuple[str, ...], expected: list[str]) -> None:
    """A PRM that reads "## Step" at the end of the step before, or an empty text for a trailing delimiter."""
    assert step_texts([Step(text, (1,), "stop") for text in texts], delimiters) == expected


@given(pieces=tapes, delimiters=st.sampled_from([("\n\n",), ("\n## Step",)]))
def test_step_texts_are_one_for_each_step_and_keep_every_word(pieces: list[str], delimiters: tuple[str, ...]) -> None:
    """Words that the PRM never sees, or sees twice, because a delimiter stands between two steps."""
    steps = [Step("".join(pieces[begin:end]), (1,), "stop") for begin, end in sampled_one_by_one(pieces, delimiters)]
    texts = step_texts(steps, delimiters)
    assert len(texts) == len(steps)
    said, solution = "".join("".join(texts).split()), "".join("".join(pieces).split())
    assert solution in (said, said + "##Step")  # what announces a step that never came may go


@pytest.mark.parametrize(
    ("text", "content"),
    [
        (r"so \boxed{5}.", "5"),
        (r"\boxed{\frac{1}{\sqrt{2}}}", r"\frac{1}{\sqrt{2}}"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed{\left\{ x \right.}", r"\left\{ x \right."),
        (r"\boxed{a\\}", r"a\\"),
        (r"\boxed {7}", "7"),
        (r"\boxed  {7}", "7"),
        (r"\boxed{ 7 }", "7"),
        (r"\boxed{3} or rather \boxed{4}", "4"),
        (r"\boxed{3} or rather \boxed{4", "3"),
        (r"\boxed{3} or rather \boxed 4", "4"),
        (r"\boxed{3}}", "3"),
        ("\\boxed{\n3\n}", "3"),
        (r"\boxed{5", None),
        (r"\boxed{5\}", None),
        (r"\boxed{\frac{1}{2}", None),
        (r"\boxed 5", "5"),
        (r"\boxed", None),
        (r"\fbox{5}", "5"),
        (r"in case 3", None),
        ("", None),
    ],
)
def test_last_boxed(text: str, content: str | None) -> None:
    """An unclosed box taken for an answer, an escaped brace for a closing one, the first box for the last."""
    assert extract_answer(text) == content


@pytest.mark.parametrize(
    ("text", "prefix", "complete"),
    [
        (r"thus \boxed{5}", "", True),
        (r"thus \boxed{5", "", False),
        ("the answer is 5", "", False),
        ("Final answer: 5", "Final answer:", True),
        ("Final answer: ", "Final answer:", False),
        ("Final answer:\n\n", "Final answer:", False),
        ("the final answer is 5", "Final answer:", False),
        (r"thus \boxed{5}", "Final answer:", True),
    ],
)
def test_answer_is_complete(text: str, prefix: str, complete: bool) -> None:
    """A path that ends with the announcement of an answer, or never ends because it boxes in spite of a prefix."""
    assert FinalAnswer(prefix).states_one(text) is complete


@pytest.mark.parametrize(
    ("text", "blank"),
    [("", True), (" \n\n\n", True), ("\n## Step", True), ("\n## Step 2", False), ("#", False), (" " * 99, True)],
)
def test_is_blank(text: str, blank: bool) -> None:
    """A delimiter scored as a step of its own."""
    assert is_blank(text, ("\n\n", "\n## Step")) is blank
