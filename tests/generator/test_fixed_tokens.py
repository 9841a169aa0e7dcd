"""Steps of a fixed number of tokens: the third splitter, for both verbs, characters and PRMs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import TapeGenerator, TellingPRM, reworded, tape_space

from tt_scale.base_classes import Problem, Step, StepRequest
from tt_scale.config import Config
from tt_scale.core.final_answer import FinalAnswer
from tt_scale.core.path import Path
from tt_scale.core.segmentation import split_steps, step_texts
from tt_scale.errors import ConfigError
from tt_scale.space.search_space import SearchSpace

WORDS = ["a", " b", "c.", "\n", "\n\n", " ", "", "\\boxed{", "7}", " d"]
PARTS = [b"a", b" b", b"\n", b"\xf0\x9f", b"\x98\x80", b"\xe7", b"\xac", b"\xac ", b"\xc3", b"\xa9", b"\xff", b""]
tapes = st.lists(st.sampled_from(WORDS), min_size=1, max_size=8)  # never more blank steps than a space draws on
lengths = st.integers(1, 5)


async def walk(space: SearchSpace, steps: int = 50) -> Path:
    """Grow one root step by step, at most so many times."""
    [path] = space.roots()
    while path.is_open and space.expansions < steps:
        [[path]] = await space.expand([path], temperature=0.7)
    assert space.expansions < 50, "a path grows for ever"
    return path


async def complete(space: SearchSpace, after: int = 0) -> Path:
    """Grow one root to its end at once, or after so many steps."""
    path = await walk(space, after)
    if path.is_open:
        [[path]] = await space.complete([path], temperature=0.7)
    return path


def told(path: Path) -> list[tuple[tuple[int, ...], str, str]]:
    return [(step.ids, step.text, step.ended) for step in path.steps]


def said(path: Path) -> list[str]:
    return [step.text.strip() for step in path.steps]


def cut_one_by_one(pieces: Sequence[str], length: int) -> list[tuple[int, int]]:
    """Every `length` tokens a step; what says nothing belongs to the step after it, at the end to that before it."""
    bounds: list[tuple[int, int]] = []
    begin = 0
    for end in [*range(length, len(pieces), length), len(pieces)]:
        if "".join(pieces[end - length if end % length == 0 else end - end % length : end]).strip():
            bounds.append((begin, end))
            begin = end
    if begin < len(pieces):
        bounds = [*bounds[:-1], (bounds[-1][0], len(pieces))] if bounds else [(0, len(pieces))]
    return bounds


@settings(max_examples=300, deadline=None, derandomize=True)
@given(pieces=tapes, length=lengths)
def test_a_whole_solution_is_cut_at_every_so_many_tokens(pieces: list[str], length: int) -> None:
    """Best-of-N scored by other steps than the step methods; ids that are lost or told twice."""
    whole = Step("".join(pieces), tuple(range(len(pieces))), "eos", seed=5, temperature=0.7, cached=3)
    steps = split_steps(whole, pieces, (), length)
    assert [step.ids for step in steps] == [tuple(range(*bound)) for bound in cut_one_by_one(pieces, length)]
    assert [step.text for step in steps] == ["".join(pieces[token] for token in step.ids) for step in steps]
    assert [step.ended for step in steps] == ["stop"] * (len(steps) - 1) + ["eos"]
    assert sum(step.cached for step in steps) == 3


async def test_steps_have_exactly_that_many_tokens() -> None:
    """A step that `k_tokens` or a delimiter ends, or that is open only because "length" was not looked at."""
    space, generator = tape_space(["a", "\n\n", "b", "c", "d", "e", "f"], step_tokens=3)
    path = await walk(space)
    assert [(request.max_tokens, request.stop) for [request] in generator.rounds] == [(3, ())] * 3
    assert [(step.text, step.ended) for step in path.steps] == [("a\n\nb", "stop"), ("cde", "stop"), ("f", "eos")]
    assert (path.state, path.tokens) == ("finished", 8)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(pieces=tapes, length=lengths, most=st.sampled_from([3, 4, 6, 100]), after=st.integers(0, 2))
async def test_step_by_step_or_whole_is_the_same_path(pieces: list[str], length: int, most: int, after: int) -> None:
    """The same tokens that are other steps, another state or other scores, depending on the verb that drew them."""
    value = TellingPRM(lambda text: len(text.strip()) % 7 / 7)
    keys: dict[str, Any] = {"step_tokens": length, "max_tokens": most, "prm": value, "final_answer_prefix": "c."}
    one = await walk(tape_space(pieces, **keys)[0])
    other = await complete(tape_space(pieces, **keys)[0], after)
    assert (said(one), one.state) == (said(other), other.state)
    if not {"7}", "c."} & {*pieces}:  # the end of the sequence goes with the answer where both are drawn at once
        assert told(one) == told(other)
    if one.is_finished:  # truncated paths never vote; those that are drawn whole are not scored
        assert (one.scores, one.score) == (other.scores, other.score)


@pytest.mark.parametrize("verb", [walk, complete])
@pytest.mark.parametrize("most", [4, 100])
async def test_a_box_that_is_complete_at_a_step_end_finishes(verb: Any, most: int) -> None:
    """An answer that nobody sees because its step ended at a length; one that just fits, thrown away as truncated."""
    space, _ = tape_space(
        ["so ", "\\boxed{", "5", "}", " or ", "\\boxed{6}"], step_tokens=2, max_tokens=most, path_end="answer"
    )
    path = await verb(space)
    assert [step.text for step in path.steps] == ["so \\boxed{", "5}"]
    assert (path.state, path.scores) == ("finished", (0.5, 0.5))


@pytest.mark.parametrize("verb", [walk, complete])
async def test_a_number_that_is_cut_is_no_answer_yet(verb: Any) -> None:
    """`Answer: 1` accepted although the next token makes it 142: with delimiters a step never ends there."""
    space, _ = tape_space(
        ["Answer:", " 1", "42", "\n", "more", "."], step_tokens=2, final_answer_prefix="Answer:", path_end="answer"
    )
    path = await verb(space)
    assert (path.text, path.state) == ("Answer: 142\n", "finished")


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("Answer: 4", False),
        ("Answer:\n", False),
        ("Answer: 42\n", True),
        ("Answer: 42\nBe", True),
        ("Answer: \\boxed{4", False),
        ("Answer: \\boxed{4}", True),
    ],
)
def test_what_completes_an_answer_where_steps_end_anywhere(text: str, complete: bool) -> None:
    """Half a number, or half a box, after the prefix."""
    assert FinalAnswer("Answer:").states_one(text, cut=True) is complete


@pytest.mark.parametrize(
    ("keys", "state", "texts"),
    [
        ({"max_tokens": 4}, "truncated", ["ab", "cd"]),
        ({"max_tokens": 5}, "truncated", ["ab", "cd", "e"]),
        ({"context": 5}, "truncated", ["ab", "cd"]),
        ({"context": 6}, "truncated", ["ab", "cd", "e"]),
    ],
)
async def test_limits_still_truncate(keys: dict[str, int], state: str, texts: list[str]) -> None:
    """A path left open at a step end with no token to spare, or a short last step taken for a whole one."""
    for verb in (walk, complete):
        path = await verb(tape_space([*"abcdefg"], step_tokens=2, **keys)[0])
        assert (path.state, [step.text for step in path.steps]) == (state, texts)
        short = "context" if "context" in keys else "length"
        assert [step.ended for step in path.steps] == ["stop", "stop", short][: len(texts)]


@pytest.mark.parametrize("budget", [4, 5])
async def test_a_whole_solution_cut_by_the_budget_is_truncated(budget: int) -> None:
    """A budget that ends where a step ends: the solution stays open, and nobody counts it as cut."""
    space, _ = tape_space([*"abcdefg"], step_tokens=2, max_generated_tokens=budget)
    assert (await complete(space)).state == "truncated"
    assert space.usage.generated_tokens == budget


async def test_k_tokens_limits_how_many_blank_steps_are_drawn_on() -> None:
    """A step that passes `k_tokens`, or that its limit cuts off the grid on which whole solutions are cut."""
    space, generator = tape_space(["a", "b", *["\n"] * 6, "c", "d"], step_tokens=2, k_tokens=5)
    path = await walk(space)
    assert [[request.max_tokens for request in requests] for requests in generator.rounds] == [[2]] * 6
    assert [step.text for step in path.steps] == ["ab\n\n\n\n", "\n\ncd"]
    assert path.state == "finished"


class ByteTape(TapeGenerator):
    """A tape whose tokens are bytes: a character belongs to the token that completes it, as in `Generator.pieces`."""

    def __init__(self, parts: Sequence[bytes]) -> None:
        super().__init__([""] * len(parts))
        self.parts = [*parts, b""]

    def pieces(self, ids: Sequence[int]) -> list[str]:
        texts = [b"".join(self.parts[token] for token in ids[:end]).decode(errors="replace") for end in range(len(ids))]
        whole = b"".join(self.parts[token] for token in ids).decode(errors="replace")
        known = [0]
        for text in texts:
            same = next((at for at, (a, b) in enumerate(zip(text, whole, strict=False)) if a != b), len(text))
            known.append(max(known[-1], min(same, len(whole))))
        return [whole[begin:end] for begin, end in zip(known[1:], [*known[2:], len(whole)], strict=True)]

    async def generate(self, requests: Sequence[StepRequest]) -> list[Step]:
        steps = await super().generate(requests)
        return [reworded(step, text="".join(self.pieces(step.ids))) for step in steps]


def byte_space(generator: TapeGenerator, **keys: Any) -> tuple[SearchSpace, TellingPRM]:
    prm = TellingPRM(lambda text: len(text.strip()) % 7 / 7)
    return SearchSpace(Problem("tape", "?", "0"), generator, prm, Config(**keys)), prm


@settings(max_examples=500, deadline=None, derandomize=True)
@given(parts=st.lists(st.sampled_from(PARTS), min_size=1, max_size=8), length=lengths, after=st.integers(0, 2))
async def test_characters_that_are_cut_join_again(parts: list[bytes], length: int, after: int) -> None:
    """Half an emoji at the end of a step and half at the start of the next: four marks instead of one character."""
    space, prm = byte_space(ByteTape(parts), step_tokens=length)
    one = await walk(space)
    assert one.text == b"".join(parts).decode(errors="replace")
    other = await complete(byte_space(ByteTape(parts), step_tokens=length)[0], after)
    assert told(one) == told(other)
    assert (one.scores, one.score) == (other.scores, other.score)
    assert all(text.strip() for texts in prm.shown for text in texts)


async def test_a_character_is_told_by_the_step_that_finishes_it() -> None:
    """A PRM that reads a replacement mark, or is asked about a step of half a character."""
    space, prm = byte_space(ByteTape([b"a", b"\xf0", b"\x9f", b"\x98", b"\x80", b"b"]), step_tokens=2)
    path = await walk(space)
    assert [(step.text, len(step.ids)) for step in path.steps] == [("a", 2), ("😀b", 5)]  # a blank step in between
    assert prm.shown == [["a"], ["😀b"]]


@pytest.mark.hf
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("family", ["byte_level", "sentence_piece"])
@pytest.mark.parametrize("length", [1, 2, 3, 5])
async def test_characters_of_real_tokenizers_join_again(family: str, length: int) -> None:
    """SentencePiece shows a run of bytes as marks while its last character is unfinished; its steps then end later."""
    pytest.importorskip("transformers")
    import tiny_tokenizers

    from tt_scale.generator.tokens import Tokens

    tokens = Tokens(getattr(tiny_tokenizers, family)(), family)
    ids = tokens.encode("So 12😀👩‍🔬第 é\n😀 30.")
    [eos] = tokens.eos_ids

    class TokenTape(ByteTape):
        def pieces(self, places: Sequence[int]) -> list[str]:
            return tokens.pieces([[*ids, eos][place] for place in places])

    one = await walk(byte_space(TokenTape([b""] * len(ids)), step_tokens=length)[0])
    other = await complete(byte_space(TokenTape([b""] * len(ids)), step_tokens=length)[0])
    assert one.text == "".join(tokens.pieces(ids))
    assert other.text == one.text
    assert "\ufffd" not in one.text
    if family == "byte_level":
        assert (told(one), one.scores) == (told(other), other.scores)


def test_prm_texts_keep_the_whitespace_between_words() -> None:
    """`hel` `lo wor` `ld` and `hel` `lo` `wor` `ld` that read the same once each text is stripped."""
    steps = [Step(text, (1,), "stop") for text in (" We", " add 1", "2 and\n", "30. ")]
    assert step_texts(steps, ()) == ["We", " add 1", "2 and", "\n30."]


@given(texts=st.lists(st.text(st.sampled_from("ab \n"), min_size=1).filter(str.strip), min_size=1, max_size=6))
def test_prm_texts_join_to_the_solution_and_never_change(texts: list[str]) -> None:
    """A step that reads otherwise once another one follows: its score, and the prefix cache, would be another's."""
    steps = [Step(text, (1,), "stop") for text in texts]
    assert "".join(step_texts(steps, ())) == "".join(texts).strip()
    for end in range(1, len(steps)):
        assert step_texts(steps[:end], ()) == step_texts(steps, ())[:end]


def test_fixed_steps_have_no_delimiters() -> None:
    """PRM adapters and manifests that still tell of the default delimiter; a dump that cannot be read back."""
    config = Config(step_tokens=64)
    assert config.stop_tokens == ()
    assert Config(**config.model_dump()) == config
    assert Config(step_tokens=64, stop_tokens=[]) == config
    assert Config(step_tokens=None).stop_tokens == ("\n\n",)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"step_tokens": 0}, "step_tokens is 0, but should be greater than or equal to 1."),
        ({"step_tokens": 2.5}, "step_tokens is 2.5, but should be a valid integer"),
        ({"step_tokens": 64, "stop_tokens": ["\n\n"]}, "Type: --stop-tokens none (in YAML, stop_tokens: [])"),
        (
            {"step_tokens": 64, "stop_tokens": "\n"},
            "step_tokens is 64 and stop_tokens is ['\\n'], but only one of them",
        ),
        ({"step_tokens": 300}, "step_tokens is 300, but k_tokens is 256: it would cut every step."),
        ({"step_tokens": 8, "k_tokens": 7}, "Type: --k-tokens 8"),
        ({"step_tokens": 8, "warmup": True}, "Type: --no-warmup"),
    ],
)
def test_what_does_not_go_together_is_refused(given: dict[str, Any], message: str) -> None:
    """Two splitters at once, of which one is ignored without a word; steps that can never be whole."""
    with pytest.raises(ConfigError) as caught:
        Config(**given)
    assert message in str(caught.value)
