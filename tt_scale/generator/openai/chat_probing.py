"""Probe whether a chat server continues a partial answer, by sending it the first half of its own answer."""

from __future__ import annotations

from dataclasses import replace

from tt_scale.engines.endpoints.openai_client import Route
from tt_scale.generator.openai.abilities import Abilities
from tt_scale.generator.openai.answers import REASONING
from tt_scale.generator.openai.chat_protocol import CONTINUATIONS, Continuation, chat_body
from tt_scale.generator.openai.probing import QUESTION, Answer, Prober

__all__ = ["probe_chat"]

CHAT: Route = "/chat/completions"
ASKED = [{"role": "user", "content": QUESTION}]

ENOUGH = 6
"""Number of characters by which a continuation must agree with the rest of the answer; few, since rounding depends on
the prompt."""


async def probe_chat(prober: Prober) -> Abilities | None:
    """Probe `/chat/completions`; None if the server has no such route, or rejects the request."""
    body = chat_body(prober.served, ASKED, "", None)
    answer = await prober.tried(CHAT, body)
    if answer is None:
        return None
    counts = isinstance(answer.usage.get("completion_tokens"), int)
    found = Abilities(CHAT, answer.dialect, counts=counts)
    continuation, no_steps = await _continuation(prober, answer)
    if continuation is None:
        return replace(found, no_steps=no_steps)
    found = replace(found, continuation=continuation)
    if await prober.names_end(CHAT, body, answer):
        return replace(found, names_end=True)
    dialect = await prober.streams(CHAT, body, answer.dialect)
    if dialect is None:
        reason = "it does not say why an answer ended, and does not stream answers"
        return replace(found, continuation=None, no_steps=reason)
    return replace(found, dialect=dialect)


async def _continuation(prober: Prober, answer: Answer) -> tuple[Continuation | None, str]:
    """Determine the fields that make the server continue a partial answer, or why it does not."""
    message = answer.choice.get("message") or {}
    if any(message.get(name) for name in REASONING):
        return None, "it removes the model's reasoning from its answers"
    text = answer.text
    begun, rest = _halves(text)
    if len(rest) < ENOUGH:
        return None, f"its answer to {QUESTION!r}, {text!r}, is too short to be continued"
    reason = ""
    for continuation in CONTINUATIONS:
        more = await prober.tried(CHAT, chat_body(prober.served, ASKED, begun, continuation), [answer.dialect])
        if more is None:
            reason = reason or f"asked to continue {begun!r} it answered: {prober.refusals[-1].message}"
        elif not _agree(more.text, rest):
            reason = f"asked to continue {begun!r} it answered {more.text[:60]!r}"
        elif await _drops_line_breaks(prober, begun, continuation, more):
            return None, "its chat template drops the line breaks at the end of a partial answer"
        else:
            return continuation, ""
    return None, reason


def _halves(text: str) -> tuple[str, str]:
    """Split an answer before a word in its middle, where tokenizers split, too."""
    middle = len(text) // 2
    cut = text.find(" ", middle)
    cut = middle if cut < 0 else cut
    return text[:cut], text[cut:]


def _agree(continuation: str, rest: str) -> bool:
    enough = min(ENOUGH, len(rest))
    return continuation[:enough] == rest[:enough]


async def _drops_line_breaks(prober: Prober, begun: str, continuation: Continuation, without: Answer) -> bool:
    """Whether the prompt is the same with and without a final delimiter; the next step would then begin with it."""
    ending = next((each for each in prober.delimiters if each != each.rstrip()), "")
    if not ending:
        return False
    body = chat_body(prober.served, ASKED, begun + ending, continuation)
    more = await prober.tried(CHAT, body, [without.dialect])
    return more is None or (more.text == without.text and more.prompt_tokens == without.prompt_tokens)
