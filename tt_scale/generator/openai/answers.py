"""What an answer says: its choice, why it ended, and how many tokens it cost. What contradicts itself is damaged."""

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
"""What servers other than OpenAI's call an end; "stop" alone stands for both a stop string and the model's own end."""

WITHHELD = frozenset({"content_filter", "tool_calls", "function_call"})
"""Ends of answers that are not to be had."""

REASONING = ("reasoning_content", "reasoning")
"""Fields in which servers put a reasoning block that they cut out of a message."""

ID_PREFIX = "token_id:"
"""How servers spell a token where `return_tokens_as_token_ids` is set."""

LONGEST_TOKEN = 256
"""Bytes; a text that needs longer ones was not written with so few tokens."""


@dataclass(frozen=True, slots=True)
class End:
    """Why an answer ended.

    Attributes:
        ending: "unknown" where it was a stop string or the model and the server does not say which; "failed" where
            the server gave up.
        stop: the stop string, where the server names it.
        reason: the server's word for it.
    """

    ending: Ending
    stop: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """Tokens as the server counted them; None where it does not say.

    Attributes:
        prompt: of the prompt.
        generated: of the answer.
        cached: of the prompt, not computed again.
    """

    prompt: int | None = None
    generated: int | None = None
    cached: int = 0


def damaged(what: str) -> RequestFault:
    """The fault of an answer that cannot be so."""
    return RequestFault("damaged", f"The server's answer {what}.")


def failure(reason: str) -> RequestFault:
    """The fault of an answer that neither a stop string nor a limit nor the model ended."""
    if reason in WITHHELD:
        return RequestFault("refused", f"The server withheld an answer: it ended with {reason!r}.")
    return damaged(f"ended with {reason!r}")


def choice_of(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give the only choice of an answer.

    Raises:
        RequestFault: there is none, or it does not say why it ended.
    """
    choices = answer.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise damaged("has no choices")
    choice: Mapping[str, Any] = choices[0]
    if not isinstance(choice.get("finish_reason"), str):
        raise damaged("does not say why it ended")
    return choice


def end_of(choice: Mapping[str, Any], asked: Sequence[str]) -> End:
    """Say why an answer ended.

    Args:
        choice: of the answer.
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
    """Read the server's counts.

    Args:
        answer: whole.
        text: that it holds.
        limit: most tokens that were asked for.

    Raises:
        RequestFault: they cannot be right.
    """
    usage = answer.get("usage")
    if not isinstance(usage, dict):
        return Counts()
    prompt, generated = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    if generated is not None and not len(text.encode()) / LONGEST_TOKEN <= generated <= limit:
        raise damaged(f"counts {generated} tokens for {len(text)} characters where {limit} tokens were allowed")
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
    """Read the sampled ids.

    Raises:
        RequestFault: there are none.
    """
    ids = choice.get("token_ids")
    if not isinstance(ids, list) or not all(isinstance(token, int) and token >= 0 for token in ids):
        raise damaged("has no token ids")
    return tuple(ids)


def logprobs_by_id(told: Any) -> dict[int, float]:
    """Read the log-probabilities at one place: `{"token_id:17": -0.3}`.

    Raises:
        RequestFault: they are not spelled so.
    """
    if not isinstance(told, dict) or not told or not all(key.startswith(ID_PREFIX) for key in told):
        raise damaged("has no log-probabilities by token ids")
    try:
        return {int(key.removeprefix(ID_PREFIX)): float(value) for key, value in told.items()}
    except (TypeError, ValueError, OverflowError):
        raise damaged("has log-probabilities that are no numbers") from None


def logprobs_in(choice: Mapping[str, Any], name: str) -> list[Any]:
    """Give one of the lists of log-probabilities of a choice [tokens].

    Raises:
        RequestFault: there is none.
    """
    told = choice.get("logprobs")
    values = told.get(name) if isinstance(told, dict) else None
    if not isinstance(values, list) or not values or any(value is None for value in values):
        raise damaged("has no log-probabilities")
    return values


def text_of(choice: Mapping[str, Any]) -> str:
    """Give the text of a completion, or of a message with the reasoning that was cut out of it, in its tags again.

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
    thoughts = next((told for name in REASONING if isinstance(told := message.get(name), str) and told), "")
    if not isinstance(content, str):
        raise damaged("has a message that is not text")
    return clean_text(f"<think>{thoughts}</think>{content}" if thoughts else content)


def piece_of(choice: Mapping[str, Any]) -> str:
    """Give what a piece of a stream adds to the text."""
    delta = choice.get("delta")
    added = delta.get("content") if isinstance(delta, dict) else choice.get("text")
    return clean_text(added) if isinstance(added, str) else ""


def clean_text(text: str) -> str:
    """Replace halves of characters, which JSON can hold and nothing else."""
    return text.encode("utf-8", "replace").decode()
