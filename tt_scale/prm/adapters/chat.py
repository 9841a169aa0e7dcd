"""A rendered chat template, split around the text that is inserted into it.

A tokenizer splits at special tokens first, and encodes the text between two of them as a whole. A question encoded with
the template text around it therefore gets the same ids as in the whole prompt.
"""

from __future__ import annotations

from typing import NamedTuple

from tt_scale.errors import GeneratorError, PRMError
from tt_scale.generator.chat_template import render_chat
from tt_scale.prm.adapters.base import Checkpoint

__all__ = ["QUESTION_SLOT", "chat_frame", "question_frame", "rendered"]

QUESTION_SLOT = "{the question}"
"""Placeholder that is rendered in place of the question."""


class ChatFrame(NamedTuple):
    """The parts of a rendered chat before and after an inserted text.

    Attributes:
        opening: ids up to and including the last special token before the inserted text [length].
        before: text between that special token and the inserted text.
        after: text between the inserted text and the next special token.
        closing: ids from that special token on [length].
    """

    opening: tuple[int, ...]
    before: str
    after: str
    closing: tuple[int, ...]


def question_frame(checkpoint: Checkpoint, system: str) -> ChatFrame:
    """Split the prompt of a one-turn chat around its question, generation prompt included.

    Args:
        checkpoint: the model whose template is rendered.
        system: the system message; empty for the template's default.

    Raises:
        PRMError: there is no chat template.
    """
    messages = [{"role": "system", "content": system}] if system else []
    return chat_frame(checkpoint, rendered(checkpoint, [*messages, {"role": "user", "content": QUESTION_SLOT}], True))


def rendered(checkpoint: Checkpoint, messages: list[dict[str, str]], generation_prompt: bool) -> str:
    """Render a chat as text.

    Raises:
        PRMError: there is no chat template, or it rejects the messages.
    """
    tokenizer = checkpoint.tokens.tokenizer
    if not getattr(tokenizer, "chat_template", None):
        raise PRMError(f"The PRM {checkpoint.name!r} has no chat template.", "Use the tokenizer that came with it.")
    try:
        return render_chat(tokenizer, messages, checkpoint.name, generation_prompt=generation_prompt)
    except GeneratorError as error:
        raise PRMError(error.message, error.hint) from error


def chat_frame(checkpoint: Checkpoint, text: str) -> ChatFrame:
    """Split a rendered chat at the question's placeholder."""
    tokens = checkpoint.tokens
    head, _, tail = text.partition(QUESTION_SLOT)
    special = [token for token in tokens.tokenizer.get_added_vocab() if token]
    start = max([head.rfind(token) + len(token) for token in special if token in head], default=0)
    end = min([tail.find(token) for token in special if token in tail], default=len(tail))
    return ChatFrame(tokens.encode(head[:start]), head[start:], tail[:end], tokens.encode(tail[end:]))
