"""A chat template, taken apart around what is put into it.

A tokenizer cuts at special tokens first. Between two of them text is encoded whole, so that a question gets the very
ids that it has in the whole prompt, whatever stands in it.
"""

from __future__ import annotations

from typing import NamedTuple

from tt_scale.errors import GeneratorError, PRMError
from tt_scale.generator.chat_template import render_chat
from tt_scale.prm.adapters.base import Checkpoint

__all__ = ["PLACE", "around", "around_the_question", "rendered"]

PLACE = "{the question}"


class Around(NamedTuple):
    """What stands around a text in a chat.

    Attributes:
        opening: ids before it, up to the last special token [length].
        before: text between that token and the text.
        after: text between it and the next special token.
        closing: ids from that token on [length].
    """

    opening: tuple[int, ...]
    before: str
    after: str
    closing: tuple[int, ...]


def around_the_question(checkpoint: Checkpoint, system: str) -> Around:
    """Take the prompt of a one-turn chat apart, generation prompt included.

    Args:
        checkpoint: whose template it is.
        system: the system message; empty for what the template does without one.

    Raises:
        PRMError: there is no chat template.
    """
    messages = [{"role": "system", "content": system}] if system else []
    return around(checkpoint, rendered(checkpoint, [*messages, {"role": "user", "content": PLACE}], True))


def rendered(checkpoint: Checkpoint, messages: list[dict[str, str]], generation_prompt: bool) -> str:
    """Render a chat as text.

    Raises:
        PRMError: there is no chat template, or it refuses the messages.
    """
    tokenizer = checkpoint.tokens.tokenizer
    if not getattr(tokenizer, "chat_template", None):
        raise PRMError(f"The PRM {checkpoint.name!r} has no chat template.", "Use the tokenizer that came with it.")
    try:
        return render_chat(tokenizer, messages, checkpoint.name, generation_prompt=generation_prompt)
    except GeneratorError as error:
        raise PRMError(error.message, error.hint) from error


def around(checkpoint: Checkpoint, text: str) -> Around:
    """Take a rendered chat apart at the place of the question."""
    tokens = checkpoint.tokens
    head, _, tail = text.partition(PLACE)
    special = [token for token in tokens.tokenizer.get_added_vocab() if token]
    start = max([head.rfind(token) + len(token) for token in special if token in head], default=0)
    end = min([tail.find(token) for token in special if token in tail], default=len(tail))
    return Around(tokens.encode(head[:start]), head[start:], tail[:end], tokens.encode(tail[end:]))
