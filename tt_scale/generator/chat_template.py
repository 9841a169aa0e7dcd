"""Reproducible rendering of chat templates, with special tokens in messages kept as text.

Transformers offers templates the function `strftime_now`, and Llama templates read the variable `date_string`. With
either, prompts and samples would change from day to day, so both are set to a fixed date here. A template that uses
any other value that changes between renderings is refused, and the message names the value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import groupby, pairwise
from operator import itemgetter
from typing import Any

from tt_scale.errors import GeneratorError, PromptError

__all__ = ["SpecialTokenCuts", "no_chat_template", "refuse_changing", "render_chat"]

TODAY = datetime(2024, 7, 26)
"""The default date in templates of Llama 3."""

DATE = TODAY.strftime("%d %b %Y")

CONSTANT = frozenset({"range", "dict", "cycler", "joiner", "namespace", "raise_exception", "strftime_now"})
"""Template functions with the same result at each rendering; `strftime_now` is one because it is replaced."""

CHANGING_FILTERS = frozenset({"random"})
"""Jinja filters whose result changes between renderings; the only such function is `lipsum`."""

MARKS = [chr(code) for code in range(0xFDD0, 0xFDF0)]
"""Unicode noncharacters, which are reserved for internal use by programs."""

_ADDRESS = re.compile(r"<[^<>\n]* at 0x[0-9a-f]+>")
"""What Jinja prints for a function or another object without a text: its address in memory."""

_BRACKETED = re.compile(r"[<\[{(|＜｜]\S*\w\S*[>\]})|＞｜]")


def render_chat(tokenizer: Any, messages: Sequence[Mapping[str, str]], name: str, *, generation_prompt: bool) -> str:
    """Apply a chat template, with a fixed date.

    Args:
        tokenizer: a tokenizer of Transformers with a chat template.
        messages: messages with the keys `role` and `content`.
        name: name of the model, for error messages.
        generation_prompt: whether to append the beginning of the assistant's turn.

    Raises:
        GeneratorError: the template rejects the messages, or uses a value that changes between renderings.
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
        raise PromptError(f"The chat template of {name!r} refuses the messages: {error}.") from error
    _refuse_addresses(str(text), messages, name)
    return str(text)


def _refuse_addresses(text: str, messages: Sequence[Mapping[str, str]], name: str) -> None:
    """Refuse a rendered text with an address in memory that is in no message."""
    for printed in _ADDRESS.findall(text):
        if not any(printed in message["content"] for message in messages):
            raise _changes(name, printed)


def refuse_changing(tokenizer: Any, name: str) -> None:
    """Refuse a template that uses a value that changes between renderings; errors as in `render_chat`."""
    changing = changing_names(tokenizer)
    if changing:
        raise _changes(name, ", ".join(changing))


def _changes(name: str, what: str) -> GeneratorError:
    return GeneratorError(
        f"The chat template of {name!r} uses {what}, whose value changes from one rendering to the next, so runs would "
        "not be reproducible.",
        "Replace it in chat_template of the model's tokenizer_config.json (or chat_template.jinja).",
    )


def no_chat_template(name: str) -> GeneratorError:
    """Create the error for a model without a chat template."""
    return GeneratorError(
        f"The model {name!r} has no chat template, so it cannot be asked a question.",
        "Use its instruct version as --model-name.",
    )


def changing_names(tokenizer: Any) -> list[str]:
    """List the functions and filters of a chat template whose value changes between renderings, sorted.

    Functions that are not listed here count as changing: a later version of Transformers may offer new ones.
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
    except TemplateError:  # rendering reports the error
        return frozenset()
    functions = {node.name for node in tree.find_all(nodes.Name) if node.ctx == "load"} & offered
    filters = {name for node in tree.find_all(nodes.Filter) for name in _filter_names(node)}
    return frozenset((functions - CONSTANT) | (filters & CHANGING_FILTERS))


def _filter_names(node: Any) -> list[str]:
    """Name a filter, and the one that `map` is given; one whose name is computed may be any, so also a changing one."""
    from jinja2 import nodes

    if node.name != "map" or not node.args:
        return [node.name]
    given = node.args[0]
    return [node.name, *([given.value] if isinstance(given, nodes.Const) else CHANGING_FILTERS)]


def _environment(source: str) -> Any:
    """Return the Jinja environment in which Transformers renders a template; None if it cannot be compiled."""
    from jinja2 import TemplateError
    from transformers.utils import chat_template_utils

    try:
        return chat_template_utils._compile_jinja_template(source).environment
    except TemplateError:
        return None


class SpecialTokenCuts:
    """Marks the positions in messages at which special tokens must be split, to be encoded as text.

    The marks pass through the template with the text. The rendered text is split at them, and the parts are tokenised
    separately; a text without special tokens has no mark and is tokenised as a whole.

    Args:
        tokenizer: a tokenizer of Transformers.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._special = _any_of(sorted([text for text in _control_texts(tokenizer) if len(text) > 1]))

    def marked(self, messages: Sequence[Mapping[str, str]]) -> tuple[list[dict[str, str]], str]:
        """Insert a mark after the first character of each special token in the contents.

        Returns:
            The messages, and the mark, a string that occurs in none of them.
        """
        whole = "".join([text for message in messages for text in message.values()])
        mark = next(mark for mark in (*MARKS, *map("".join, pairwise(MARKS))) if mark not in whole)
        return [{**message, "content": self._marked(message["content"], mark)} for message in messages], mark

    def _marked(self, text: str, mark: str) -> str:
        cuts = [match.start() + 1 for match in self._special.finditer(text)]
        return mark.join([text[start:end] for start, end in pairwise([0, *cuts, len(text)])])


def _any_of(texts: Sequence[str]) -> re.Pattern[str]:
    """Build a pattern that matches at every start of one of some texts, including overlapping ones.

    Texts are grouped by their first character: Gemma has six thousand, nearly all of which begin with "<".

    Args:
        texts: sorted texts of at least two characters.
    """
    groups = [
        f"{re.escape(first)}(?:{'|'.join([re.escape(text[1:]) for text in its])})"
        for first, its in groupby(texts, key=itemgetter(0))
    ]
    return re.compile(f"(?={'|'.join(groups)})" if groups else r"(?!)")


def _control_texts(tokenizer: Any) -> set[str]:
    """Collect the control tokens of a tokenizer: special tokens, and added tokens that are written as tags.

    Runs of spaces and whole words that a tokenizer adds to its vocabulary are ordinary text, and are not included.
    """
    added = getattr(tokenizer, "added_tokens_decoder", {}).values()
    special = {str(token) for token in added if token.special} | set(getattr(tokenizer, "all_special_tokens", ()))
    return special | {str(token) for token in added if _BRACKETED.fullmatch(str(token))}
