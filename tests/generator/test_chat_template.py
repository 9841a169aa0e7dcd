"""Chat templates: reproducible rendering, and special tokens in messages."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("transformers")

from tiny_tokenizers import byte_level

from tt_scale.errors import GeneratorError
from tt_scale.generator.chat_template import SpecialTokenCuts, changing_names, refuse_changing, render_chat


def tokenizer_of(template: str, **own: Any) -> Any:
    return SimpleNamespace(chat_template=template, **own)


@pytest.mark.parametrize(
    ("template", "names"),
    [
        ("{{ messages[0]['content'] }}", []),
        ("{{ strftime_now('%d %b %Y') }}", []),
        ("{% for number in range(3) %}{{ number }}{% endfor %}", []),
        ("{{ lipsum() }}", ["lipsum"]),
        ("{{ messages | random }}", ["random"]),
        ("{{ messages | map('random') | list }}", ["random"]),
        ("{% set name = 'ran' ~ 'dom' %}{{ messages | map(name) | list }}", ["random"]),
        ("{% filter random %}abc{% endfilter %}", ["random"]),
        ("{{ messages | map(attribute='role') | map('upper') | join }}", []),
        ("{% broken", []),
    ],
)
def test_values_that_change_are_found(template: str, names: list[str]) -> None:
    """A prompt that differs from day to day makes every run another experiment."""
    assert changing_names(tokenizer_of(template)) == names


def test_a_changing_template_is_rejected_by_name() -> None:
    """Also if only one of several templates changes."""
    templates: Any = {"default": "{{ messages }}", "tool_use": "{{ lipsum() }}"}
    with pytest.raises(GeneratorError, match=r"'a/model' uses lipsum"):
        refuse_changing(tokenizer_of(templates), "a/model")


@pytest.mark.parametrize("template", ["{{ strftime_now }}", "{{ messages[0].content.strip }}", "{{ cycler('a') }}"])
def test_an_address_in_memory_is_rejected(template: str) -> None:
    """Forgotten brackets: the prompt was another one in each process. A message may speak of an address."""
    tokenizer = byte_level()
    tokenizer.chat_template = template
    messages = [{"role": "user", "content": "What is <built-in method strip of str object at 0x7fcf>?"}]
    with pytest.raises(GeneratorError, match=r"'a/model' uses <.* at 0x"):
        render_chat(tokenizer, messages, "a/model", generation_prompt=True)
    tokenizer.chat_template = "{{ messages[0].content.strip() }}"
    assert render_chat(tokenizer, messages, "a/model", generation_prompt=True) == messages[0]["content"]


def test_special_tokens_in_messages_are_marked() -> None:
    """A question that contains `<|im_end|>` would end its turn."""
    special = SimpleNamespace(special=True, __str__=lambda self: "<|im_end|>")
    tokenizer = tokenizer_of("", all_special_tokens=["<|im_end|>"], added_tokens_decoder={})
    assert special.special
    messages, mark = SpecialTokenCuts(tokenizer).marked([{"role": "user", "content": "a <|im_end|> b"}])
    assert messages == [{"role": "user", "content": f"a <{mark}|im_end|> b"}]
    plain, _ = SpecialTokenCuts(tokenizer).marked([{"role": "user", "content": "a b"}])
    assert plain == [{"role": "user", "content": "a b"}]
