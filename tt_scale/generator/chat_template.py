"""Chats to text by a model's own template, the same on every day, with special tokens in messages kept as text.

Transformers gives a template the function `strftime_now`, and Llama templates read the variable `date_string`. With
either, the prompt and so every sample would change overnight: both are set to one date here. A template that uses
anything else whose value is not the same at each rendering is refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import groupby, pairwise
from operator import itemgetter
from typing import Any

from tt_scale.errors import GeneratorError

__all__ = ["SpecialTokenCuts", "no_chat_template", "refuse_changing", "render_chat"]

TODAY = datetime(2024, 7, 26)
"""The date that templates of Llama 3 print where nobody gives one."""

DATE = TODAY.strftime("%d %b %Y")

CONSTANT = frozenset({"range", "dict", "cycler", "joiner", "namespace", "raise_exception", "strftime_now"})
"""Functions of a template that give the same at each rendering; `strftime_now` since it is replaced."""

CHANGING_FILTERS = frozenset({"random"})
"""Filters of Jinja that give another value at each rendering; of its functions it is `lipsum`."""

MARKS = [chr(code) for code in range(0xFDD0, 0xFDF0)]
"""Code points that Unicode keeps free of characters for good, for use inside programs."""

_BRACKETED = re.compile(r"[<\[{(|＜｜]\S*\w\S*[>\]})|＞｜]")


def render_chat(tokenizer: Any, messages: Sequence[Mapping[str, str]], name: str, *, generation_prompt: bool) -> str:
    """Apply a chat template, on a fixed date.

    Args:
        tokenizer: of Transformers, with a chat template.
        messages: with the keys `role` and `content`.
        name: of the model, for messages.
        generation_prompt: whether the beginning of the assistant's turn follows.

    Raises:
        GeneratorError: the template refuses the messages, or uses what changes from day to day.
    """
    from jinja2 import TemplateError

    refuse_changing(tokenizer, name)
    try:
        text = tokenizer.apply_chat_template(
            [dict(message) for message in messages],
            tokenize=False,
            add_generation_prompt=generation_prompt,
            date_string=DATE,
            strftime_now=TODAY.strftime,
        )
    except (TemplateError, TypeError, ValueError) as error:
        raise GeneratorError(f"The chat template of {name!r} refuses the messages: {error}.") from error
    return str(text)


def refuse_changing(tokenizer: Any, name: str) -> None:
    """Refuse a template that uses what changes from one rendering to the next; errors as in `render_chat`."""
    changing = changing_names(tokenizer)
    if changing:
        raise GeneratorError(
            f"The chat template of {name!r} uses {', '.join(changing)}, whose value changes from one rendering to the "
            "next, so that no run could be repeated.",
            "Replace it in chat_template of the model's tokenizer_config.json (or chat_template.jinja).",
        )


def no_chat_template(name: str) -> GeneratorError:
    """The error of a model that was never taught to answer."""
    return GeneratorError(
        f"The model {name!r} has no chat template, so it cannot be asked a question.",
        "Use its instruct version as --model-name.",
    )


def changing_names(tokenizer: Any) -> list[str]:
    """Name the functions and filters of a chat template that give another value at each rendering, sorted.

    A function that this module does not know counts as changing: a later version of Transformers may offer one.
    """
    template = getattr(tokenizer, "chat_template", None)
    sources = template.values() if isinstance(template, dict) else [template]
    return sorted({name for source in sources if isinstance(source, str) for name in _changing_in(source)})


@lru_cache(64)
def _changing_in(source: str) -> frozenset[str]:
    from jinja2 import TemplateError, nodes
    from jinja2.defaults import DEFAULT_NAMESPACE

    environment = _environment(source)
    if environment is None:
        return frozenset()
    offered = set(environment.globals) | set(DEFAULT_NAMESPACE)
    try:
        tree = environment.parse(source)
    except TemplateError:  # the rendering says what is wrong
        return frozenset()
    functions = {node.name for node in tree.find_all(nodes.Name) if node.ctx == "load"} & offered
    filters = {node.name for node in tree.find_all(nodes.Filter)} & CHANGING_FILTERS
    return frozenset((functions - CONSTANT) | filters)


def _environment(source: str) -> Any:
    """The Jinja environment in which Transformers renders a template; None where it cannot be compiled."""
    from jinja2 import TemplateError
    from transformers.utils import chat_template_utils

    try:
        return chat_template_utils._compile_jinja_template(source).environment
    except TemplateError:
        return None


class SpecialTokenCuts:
    """Marks in messages where special tokens must be cut, so that a tokenizer reads them as text.

    The marks go through the template with the text. Where they come out, the text is cut and tokenised piece by
    piece; a text without special tokens has no mark and is tokenised whole, as ever.

    Args:
        tokenizer: of Transformers.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._special = _any_of(sorted([text for text in _control_texts(tokenizer) if len(text) > 1]))

    def marked(self, messages: Sequence[Mapping[str, str]]) -> tuple[list[dict[str, str]], str]:
        """Put a mark after the first character of each special token in the contents.

        Returns:
            The messages, and the mark: a text that none of them holds.
        """
        whole = "".join([text for message in messages for text in message.values()])
        mark = next(mark for mark in (*MARKS, *map("".join, pairwise(MARKS))) if mark not in whole)
        return [{**message, "content": self._marked(message["content"], mark)} for message in messages], mark

    def _marked(self, text: str, mark: str) -> str:
        places = [found.start() + 1 for found in self._special.finditer(text)]
        ends = [0, *places, len(text)]
        return mark.join([text[start:end] for start, end in pairwise(ends)])


def _any_of(texts: Sequence[str]) -> re.Pattern[str]:
    """Find every place where one of some texts begins, overlapping ones too.

    They are grouped by their first character: Gemma has six thousand, nearly all of which begin with "<".

    Args:
        texts: sorted, each of two characters or more.
    """
    groups = [
        f"{re.escape(first)}(?:{'|'.join([re.escape(text[1:]) for text in its])})"
        for first, its in groupby(texts, key=itemgetter(0))
    ]
    return re.compile(f"(?={'|'.join(groups)})" if groups else r"(?!)")


def _control_texts(tokenizer: Any) -> set[str]:
    """Every token that ends a turn, opens a role or the like: special ones, and added ones written as tags.

    Runs of spaces and whole words that a tokenizer adds to its vocabulary are ordinary text and stay as they are.
    """
    added = getattr(tokenizer, "added_tokens_decoder", {}).values()
    special = {str(token) for token in added if token.special} | set(getattr(tokenizer, "all_special_tokens", ()))
    return special | {str(token) for token in added if _BRACKETED.fullmatch(str(token))}
