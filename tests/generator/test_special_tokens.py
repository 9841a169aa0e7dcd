"""Special tokens in what a user wrote are text for the generator, and a template says the same on every day."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

pytest.importorskip("transformers")

from tiny_tokenizers import byte_level, sentence_piece

from tt_scale.errors import GeneratorError
from tt_scale.generator.tokens import Tokens

pytestmark = [pytest.mark.hf, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

FAMILIES = {"byte level": byte_level, "SentencePiece": sentence_piece}
TAGS = ["<think>", "</think>", "[INST]", "<|im_end|>", "<｜User｜>"]
CONTROL = {*TAGS, "<eos>", "<bos>", "<end_of_turn>"}


@cache
def family(name: str) -> Tokens:
    """With tags that are added tokens but not special ones, as of Qwen3; and with ordinary text that was added."""
    tokenizer = FAMILIES[name]()
    tokenizer.add_tokens(TAGS)
    tokenizer.add_tokens(["    ", "mitochondria"])
    return Tokens(tokenizer, name)


@pytest.fixture(params=FAMILIES)
def tokens(request: pytest.FixtureRequest) -> Tokens:
    return family(request.param)


def controls(tokens: Tokens, ids: tuple[int, ...]) -> list[str]:
    return [text for text in tokens.tokenizer.convert_ids_to_tokens(list(ids)) if text in CONTROL]


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


MENTIONS = [
    "The token <end_of_turn> ends a turn. What is 14 + 3?",
    "<end_of_turn>",
    "<end_of_turn><end_of_turn>",
    "a<eos>b<bos>c",
    "<<eos>>",
    "<end_of_turn<end_of_turn>",
    "  <end_of_turn>  \n",
    "What do <think> and </think> mean?",
    "Translate [INST] and <|im_end|> and <｜User｜>.",
    "\ufdd0<eos>\ufdd1",
]


@pytest.mark.parametrize("text", MENTIONS)
@pytest.mark.parametrize("role", ["user", "system"])
def test_a_special_token_in_a_message_is_text(tokens: Tokens, text: str, role: str) -> None:
    """A question about `<|im_end|>` ended its own turn, and the model answered half a question."""
    other = [{"role": "user", "content": "What is 2 + 3?"}] if role == "system" else []
    ids = tokens.render([{"role": role, "content": text}, *other])
    plain = tokens.render([{"role": role, "content": "x"}, *other])
    assert controls(tokens, ids) == controls(tokens, plain)
    shown = tokens.tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False)
    assert shown.removeprefix(" ") == tokens.tokenizer.apply_chat_template(
        [{"role": role, "content": text}, *other], tokenize=False, add_generation_prompt=True
    )


@pytest.mark.parametrize(
    "text",
    ["What is 12 + 30?", "x < 3 and y > 2", "a    b", "The mitochondria of a cell.", "[1, 2] or <3>", "Ünïcode 第一步"],
)
def test_the_ids_of_an_ordinary_question_are_those_of_the_whole_text(tokens: Tokens, text: str) -> None:
    """Every published number was made with them; a word or a run of spaces in the vocabulary is ordinary text."""
    whole = tokens.tokenizer.apply_chat_template(user(text), tokenize=False, add_generation_prompt=True)
    assert tokens.render(user(text)) == tokens.encode(whole)


def test_a_template_may_change_the_text(tokens: Tokens) -> None:
    """Llama's template strips messages; what it does to a text it does to a text with special tokens in it."""
    tokenizer = FAMILIES[tokens.name]()
    tokenizer.chat_template = "<bos>{{ messages[0]['content'] | trim | upper }}<end_of_turn>"
    shouting = Tokens(tokenizer, "shouting")
    ids = shouting.render(user("  say <eos> \n"))
    assert controls(shouting, ids) == ["<bos>", "<end_of_turn>"]
    assert "SAY <EOS>" in shouting.tokenizer.decode(list(ids))


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ strftime_now('%Y-%m-%d') }}", "2024-07-26"),
        ("{% set today = strftime_now('%d %B %Y') %}{{ today }}", "26 July 2024"),
        ("{% if strftime_now is defined %}{{ strftime_now('%A %H:%M') }}{% endif %}", "Friday 00:00"),
        ("{% macro now() %}{{ strftime_now('%Y') }}{% endmacro %}{{ now() }}", "2024"),
        ("{{ date_string }}", "26 Jul 2024"),
        ("{{ current_date if current_date is defined else 'none' }}", "none"),
    ],
)
def test_the_date_is_the_same_on_every_day(template: str, text: str) -> None:
    """Granite, SmolLM3 and Mistral Small print today's date: a run that is resumed tomorrow asks something else."""
    tokenizer = byte_level()
    tokenizer.chat_template = template
    tokens = Tokens(tokenizer, "dated")
    assert tokens.render(user("hello")) == tokens.encode(text)


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{{ lipsum(1) }}", "lipsum"),
        ("{{ [1, 2] | random }}", "random"),
        ("{{ now() }}", "now"),
        ("{{ datetime.now() }}", "datetime"),
        ("{{ today().year }}", "today"),
        ("{{ clock() }}", "clock"),
    ],
)
def test_what_cannot_be_held_still_is_refused_by_name(
    template: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also a function that a later version of Transformers may give to templates, as `clock` here."""
    from transformers.utils import chat_template_utils

    compiled = chat_template_utils._compile_jinja_template

    def with_a_clock(source: str) -> Any:
        found = compiled(source)
        found.environment.globals["clock"] = lambda: "12:00"
        return found

    monkeypatch.setattr(chat_template_utils, "_compile_jinja_template", with_a_clock)
    tokenizer = byte_level()
    tokenizer.chat_template = template
    with pytest.raises(GeneratorError, match=name):
        Tokens(tokenizer, "moving").render(user("hello"))


def test_a_fault_in_a_template_is_told_in_one_message() -> None:
    """A template that adds None to a text gave a traceback through jinja."""
    tokenizer = byte_level()
    tokenizer.chat_template = "{{ 'x' + tools }}"
    with pytest.raises(GeneratorError, match="The chat template of 'broken' refuses the messages"):
        Tokens(tokenizer, "broken").render(user("hello"))


@pytest.mark.parametrize("backend", ["huggingface", "trie", "vllm"])
def test_every_backend_reads_a_question_as_text(backend: str) -> None:
    """Question, system prompt and the examples in it, on the pocket model's own tokenizer."""
    from tt_scale.base_classes import Problem
    from tt_scale.config import Config
    from tt_scale.generator.language_model import LanguageModel
    from tt_scale.registry import generator_class

    config = Config(model_name="pocket-gen", max_model_len=512)
    generator = generator_class(backend).from_config(config)
    assert isinstance(generator, LanguageModel)
    generator.tokens = Tokens.load("pocket-gen")
    question = "The token <|end|> ends a turn. What is 14 + 3 * 5 - 7?"
    shots = "Example.\n\n<|user|>What is 1 + 1?<|assistant|>2<|end|>"
    ids = generator.prompt(Problem("p", question, "22"), shots)
    names = generator.tokens.tokenizer.convert_ids_to_tokens(list(ids))
    special = [name for name in names if name in generator.tokens.tokenizer.all_special_tokens]
    assert special == ["<|user|>", "<|assistant|>"]
    assert question in generator.tokens.tokenizer.decode(list(ids), skip_special_tokens=False)
