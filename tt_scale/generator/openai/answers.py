"""Parsing of responses: choice, finish reason, token counts, log-probabilities; an inconsistent one is damaged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tt_scale.core.printable import shown
from tt_scale.engines.endpoints.faults import RequestFault

__all__ = [
    "Counts",
    "End",
    "choice_of",
    "clean_text",
    "counts_of",
    "damaged",
    "end_of",
    "failure",
    "ids_in",
    "logprobs_by_id",
    "logprobs_in",
    "piece_of",
    "text_of",
]

Ending = Literal["stop", "eos", "length", "unknown", "failed"]

END_NAMES: Mapping[str, Ending] = {
    "length": "length",
    "max_tokens": "length",
    "eos": "eos",
    "eos_token": "eos",
    "end_turn": "eos",
    "stop_sequence": "stop",
}
"""Finish reasons of various servers; "stop" alone means either a stop string or an end-of-sequence token."""

WITHHELD = frozenset({"content_filter", "tool_calls", "function_call"})
"""Finish reasons of responses whose text is not returned."""

REASONING = ("reasoning_content", "reasoning")
"""Fields in which servers return the reasoning that they remove from a message."""

ID_PREFIX = "token_id:"
"""Prefix of tokens in responses to requests with `return_tokens_as_token_ids`."""

LONGEST_TOKEN = 256
"""Maximum length of a token in bytes, to check reported counts for plausibility."""


@dataclass(frozen=True, slots=True)
class End:
    """Why a response ended.

    Attributes:
        ending: "unknown" if the server does not distinguish a stop string from an end-of-sequence token; "failed" if
            the server gave up.
        stop: the stop string, if the server names it.
        reason: the server's `finish_reason`.
    """

    ending: Ending
    stop: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """Token counts that the server reported; None if it reported none.

    Attributes:
        prompt: tokens of the prompt.
        generated: generated tokens.
        cached: tokens of the prompt that came from the server's prefix cache.
    """

    prompt: int | None = None
    generated: int | None = None
    cached: int = 0


def damaged(what: str) -> RequestFault:
    """The fault of an inconsistent response."""
    return RequestFault("damaged", f"The server's answer {what}.")


def failure(reason: str) -> RequestFault:
    """The fault of a response that ended neither by a stop string nor by a limit nor by the model."""
    if reason in WITHHELD:
        return RequestFault("refused", f"The server withheld an answer: it ended with {reason!r}.")
    return damaged(f"ended with {reason!r}")


def choice_of(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """The first choice of a response.

    Raises:
        RequestFault: there is none, or it has no finish reason.
    """
    choices = answer.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise damaged("has no choices")
    choice: Mapping[str, Any] = choices[0]
    if not isinstance(choice.get("finish_reason"), str):
        raise damaged("has no finish_reason")
    return choice


def end_of(choice: Mapping[str, Any], asked: Sequence[str]) -> End:
    """Determine why a response ended.

    Args:
        choice: choice of the response.
        asked: stop strings of the request.
    """
    reason = str(choice["finish_reason"])
    if reason != "stop":
        return End(END_NAMES.get(reason, "failed"), reason=reason)
    named = [choice[key] for key in ("stop_reason", "matched_stop") if key in choice]
    strings = [each for each in named if isinstance(each, str)]
    if strings:
        return End("stop", strings[0], reason)
    return End("eos" if named or not asked else "unknown", reason=reason)


def counts_of(answer: Mapping[str, Any], text: str, limit: int) -> Counts:
    """Read the token counts of a response.

    Args:
        answer: the response.
        text: its text.
        limit: `max_tokens` of the request.

    Raises:
        RequestFault: the counts are impossible.
    """
    usage = answer.get("usage")
    if not isinstance(usage, dict):
        return Counts()
    prompt, generated = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    if generated is not None and not len(text.encode()) / LONGEST_TOKEN <= generated <= limit:
        raise damaged(f"reports {generated} tokens for {len(text)} characters with max_tokens {limit}")
    details = usage.get("prompt_tokens_details")
    cached = _count(details, "cached_tokens") or 0 if isinstance(details, dict) else 0
    return Counts(prompt, generated, min(cached, prompt or 0))


def _count(counts: Mapping[str, Any], name: str) -> int | None:
    value = counts.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise damaged(f"has {shown(value)} as {name}")
    return value


def ids_in(choice: Mapping[str, Any]) -> tuple[int, ...]:
    """The sampled token ids of a choice.

    Raises:
        RequestFault: there are none.
    """
    ids = choice.get("token_ids")
    if not isinstance(ids, list) or not all(isinstance(token, int) and token >= 0 for token in ids):
        raise damaged("has no token ids")
    return tuple(ids)


def logprobs_by_id(listed: Any) -> dict[int, float]:
    """Parse the log-probabilities at one position: `{"token_id:17": -0.3}`.

    Raises:
        RequestFault: they have another format.
    """
    if not isinstance(listed, dict) or not listed or not all(key.startswith(ID_PREFIX) for key in listed):
        raise damaged("has no log-probabilities by token ids")
    try:
        return {int(key.removeprefix(ID_PREFIX)): float(value) for key, value in listed.items()}
    except (TypeError, ValueError, OverflowError):
        raise damaged("has log-probabilities that are not numbers") from None


def logprobs_in(choice: Mapping[str, Any], name: str) -> list[Any]:
    """One of the lists of log-probabilities of a choice [tokens].

    Raises:
        RequestFault: there is none.
    """
    logprobs = choice.get("logprobs")
    values = logprobs.get(name) if isinstance(logprobs, dict) else None
    if not isinstance(values, list) or not values or any(value is None for value in values):
        raise damaged("has no log-probabilities")
    return values


def text_of(choice: Mapping[str, Any]) -> str:
    """Text of a completion or message; reasoning in a separate field is put back into its tags.

    Raises:
        RequestFault: there is none.
    """
    message = choice.get("message") or choice.get("delta")
    if not isinstance(message, dict):
        text = choice.get("text")
        if not isinstance(text, str):
            raise damaged("has no text")
        return clean_text(text)
    content = message.get("content") or ""
    reasoning = next((text for name in REASONING if isinstance(text := message.get(name), str) and text), "")
    if not isinstance(content, str):
        raise damaged("has a message that is not text")
    return clean_text(f"<think>{reasoning}</think>{content}" if reasoning else content)


def piece_of(choice: Mapping[str, Any]) -> str:
    """Text that a chunk of a stream adds."""
    delta = choice.get("delta")
    added = delta.get("content") if isinstance(delta, dict) else choice.get("text")
    return clean_text(added) if isinstance(added, str) else ""


def clean_text(text: str) -> str:
    """Replace lone surrogates, which JSON can contain but UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode()
