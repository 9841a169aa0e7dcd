"""Text to ids and back, for both families of tokenizers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("transformers")

from tiny_tokenizers import byte_level, sentence_piece

from tt_scale.base_classes import Problem, Step, StepRequest
from tt_scale.config import Config
from tt_scale.errors import GeneratorError
from tt_scale.generator.language_model import Choice, LanguageModel
from tt_scale.generator.tokens import Tokens

pytestmark = [pytest.mark.hf, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

FAMILIES = {"byte level": byte_level, "SentencePiece": sentence_piece}
TEXTS = st.text(st.sampled_from("ab 12\n\n.{}\\ +é第Ш😀👩‍🔬🇩🇪\ufffd"), max_size=40)
PROBLEM = Problem("p", "What is 12 + 30?", "42")


@cache
def family(name: str) -> Tokens:
    return Tokens(FAMILIES[name](), name)


@pytest.fixture(params=FAMILIES)
def tokens(request: pytest.FixtureRequest) -> Tokens:
    return family(request.param)


class Model(LanguageModel):
    """A language model that can only talk about its tokenizer."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens

    @classmethod
    def from_config(cls, config: Config) -> Model:
        raise NotImplementedError

    async def generate(self, requests: Sequence[StepRequest]) -> list[Step]:
        raise NotImplementedError

    async def choose(self, prompts: Sequence[tuple[int, ...]], choices: Sequence[int]) -> list[Choice]:
        raise NotImplementedError


@pytest.mark.parametrize("name", FAMILIES)
@given(text=TEXTS)
def test_pieces_of_a_text_join_to_it(name: str, text: str) -> None:
    """A lost space or a broken emoji makes the text that the PRM reads differ from what was sampled."""
    tokens = family(name)
    ids = tokens.encode(text)
    pieces = tokens.pieces(ids)
    assert len(pieces) == len(ids)
    assert "".join(pieces).removeprefix(" ") == text.removeprefix(" ")


@pytest.mark.parametrize("name", FAMILIES)
@given(data=st.data())
def test_pieces_of_any_ids_join_to_their_text(name: str, data: st.DataObject) -> None:
    """Models at high temperature sample bytes that are no text; ids and text must agree even then."""
    tokens = family(name)
    ids = data.draw(st.lists(st.integers(0, len(tokens.tokenizer) - 1), max_size=30))
    pieces = tokens.pieces(ids)
    whole = tokens.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    assert len(pieces) == len(ids)
    assert "".join(pieces) in (whole, f" {whole}")


@pytest.mark.parametrize("name", FAMILIES)
@given(text=TEXTS, cut=st.integers(0, 60))
def test_steps_join_to_the_solution(name: str, text: str, cut: int) -> None:
    """Decoding each step by itself must not eat the space between two steps."""
    tokens = family(name)
    ids = tokens.encode(text)
    parts = ["".join(tokens.pieces(part)) for part in (ids[:cut], ids[cut:])]
    if not any("\ufffd" in part for part in parts):
        assert "".join(parts) == "".join(tokens.pieces(ids))


def test_a_split_character_belongs_to_the_token_that_completes_it(tokens: Tokens) -> None:
    """A delimiter check that sees half a character would see a replacement mark instead."""
    ids = tokens.encode("12😀30")
    pieces = tokens.pieces(ids)
    [completing] = [index for index, piece in enumerate(pieces) if "😀" in piece]
    assert pieces[completing - 3 : completing + 1] == ["", "", "", "😀"]
    assert "".join(pieces[completing + 1 :]) == "30"


def test_unfinished_character_ends_the_text(tokens: Tokens) -> None:
    """A step cut at its token limit inside a character still has as many pieces as ids."""
    ids = tokens.encode("12😀")[:-1]
    pieces = tokens.pieces(ids)
    assert len(pieces) == len(ids)
    assert "".join(pieces).startswith("12") or "".join(pieces).startswith(" 12")
    assert "\ufffd" in "".join(pieces)


def test_special_tokens_add_nothing(tokens: Tokens) -> None:
    """The end of the sequence in the middle of a text would be graded as part of the answer."""
    [eos] = tokens.eos_ids
    assert tokens.pieces([*tokens.encode("so 42"), eos])[-1] == ""


def test_pieces_take_linear_time(tokens: Tokens) -> None:
    """Decoding every prefix takes minutes for a long solution and stops the event loop."""
    ids = tokens.encode("First we add 12 and 30 😀.\n\n" * 200)
    inner = tokens.tokenizer
    decoded = 0

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(inner, name)

        def decode(self, ids: list[int], **options: Any) -> str:
            nonlocal decoded
            decoded += len(ids)
            return str(inner.decode(ids, **options))

    counted = Tokens(Counting(), "counting")
    assert len(counted.pieces(ids)) == len(ids)
    assert decoded < 10 * len(ids)


def test_one_bos_at_the_head_of_a_prompt(tokens: Tokens) -> None:
    """A template writes the opening token; a tokenizer that adds another one costs accuracy silently."""
    ids = tokens.render([{"role": "user", "content": "hello"}])
    assert ids.count(tokens.tokenizer.bos_token_id) == 1
    assert ids[0] == tokens.tokenizer.bos_token_id


def test_prompt_does_not_change_with_the_day() -> None:
    """Llama templates print the date: a run that is resumed tomorrow would ask another question."""
    tokenizer = byte_level()
    tokenizer.chat_template = "{{ date_string if date_string is defined else strftime_now('%d %b %Y') }}" + "x"
    tokens = Tokens(tokenizer, "dated")
    assert tokens.render([{"role": "user", "content": "hello"}]) == tokens.encode("26 Jul 2024x")


def test_no_chat_template() -> None:
    """A base model would be sent an empty prompt; say which model, and that an instruct version is needed."""
    tokenizer = byte_level()
    tokenizer.chat_template = None
    with pytest.raises(GeneratorError, match=r"'base'.*no chat template.*instruct"):
        Tokens(tokenizer, "base").render([{"role": "user", "content": "hello"}])


def test_system_message_is_omitted_when_empty(tokens: Tokens) -> None:
    """An empty system turn is not no system turn."""
    assert Model(tokens).prompt(PROBLEM, "") == tokens.render([{"role": "user", "content": PROBLEM.question}])


def test_template_without_system_role() -> None:
    """Gemma's template raises on a system message; its text must reach the model all the same."""
    tokenizer = byte_level()
    refusal = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    tokenizer.chat_template = refusal + tokenizer.chat_template
    tokens = Tokens(tokenizer, "gemma-like")
    prompt = "".join(tokens.pieces(Model(tokens).prompt(PROBLEM, "Think.")))
    assert prompt == "user: Think.\n\nWhat is 12 + 30?\nassistant: "


def test_template_that_refuses_everything() -> None:
    """The template's own reason is the message; not a traceback through jinja."""
    tokenizer = byte_level()
    tokenizer.chat_template = "{{ raise_exception('roles must alternate') }}"
    with pytest.raises(GeneratorError, match="roles must alternate"):
        Model(Tokens(tokenizer, "strict")).prompt(PROBLEM, "Think.")


def test_id_of(tokens: Tokens) -> None:
    """A judge that reads the wrong token scores noise."""
    assert tokens.id_of("<end_of_turn>") == tokens.tokenizer.convert_tokens_to_ids("<end_of_turn>")
    assert "".join(tokens.pieces([tokens.id_of("+")])).strip() == "+"
    with pytest.raises(GeneratorError, match=r"'answer is' is .* tokens"):
        tokens.id_of("answer is")


def test_every_eos_of_the_generation_config(tmp_path: Path) -> None:
    """Llama 3 ends a turn with another token than its tokenizer names; missing it, a path never ends."""
    byte_level().save_pretrained(tmp_path)
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": [2, 7]}))
    tokens = Tokens.load(str(tmp_path))
    assert tokens.eos_ids == {0, 2, 7}
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": 5}))
    assert Tokens.load(str(tmp_path)).eos_ids == {0, 5}


def test_load_gives_back_what_was_saved(tmp_path: Path) -> None:
    """A tokenizer that is guessed from the model type cuts the same text into other ids."""
    original = byte_level()
    original.save_pretrained(tmp_path)
    text = "First we add 12 and 30 😀."
    assert Tokens.load(str(tmp_path)).encode(text) == tuple(original.encode(text, add_special_tokens=False))


def test_folder_without_tokenizer(tmp_path: Path) -> None:
    """Bad input never gives a traceback, and the message names what to copy."""
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    with pytest.raises(GeneratorError, match=r"no readable tokenizer.*tokenizer\.json"):
        Tokens.load(str(tmp_path))


def test_unknown_model_without_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Offline, a misspelt hub name must say so at once instead of ending in the hub client's traceback."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(GeneratorError, match="'nobody/nothing' is not on this machine"):
        Tokens.load("nobody/nothing")
