"""From the fields of a request to a question and the knobs of its search."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from pydantic import BaseModel

from tt_scale.config import Config
from tt_scale.core.printable import shown
from tt_scale.core.question_id import question_id
from tt_scale.core.records import Message, Problem
from tt_scale.errors import ConfigError, close_match
from tt_scale.registry import searcher_class
from tt_scale.serve.body_faults import MOST_LEVELS, too_deep
from tt_scale.serve.faults import RequestError
from tt_scale.serve.schema import ChatRequest, CompletionRequest, Request, given
from tt_scale.serve.settings import SamplingRule
from tt_scale.serve.virtual_models import VirtualModel
from tt_scale.solver.call_config import CALL_KEYS

__all__ = ["Wanted", "read_request"]

SAMPLING_KNOBS = frozenset(
    {"temperature", "temp_origin", "temp_step", "top_p", "top_k", "min_p", "repetition_penalty", "max_tokens", "seed"}
)
"""What `--sampling fixed` keeps."""

NEUTRAL: dict[str, tuple[Any, ...]] = {
    "frequency_penalty": (0, None),
    "presence_penalty": (0, None),
    "logit_bias": ({}, None),
    "logprobs": (False, None, 0),
    "top_logprobs": (0, None),
    "best_of": (1, None),
    "suffix": ("", None),
    "tools": ([], None),
    "functions": ([], None),
    "tool_choice": ("none", "auto", None),
    "function_call": ("none", "auto", None),
    "parallel_tool_calls": (True, False, None),
    "response_format": ({"type": "text"}, None),
    "modalities": (["text"], None),
    "store": (False, None),
    "metadata": ({}, None),
    "service_tier": ("auto", "default", None),
    "reasoning_effort": (None,),
    "echo": (False, None),
}
"""Fields of OpenAI's API that this server does not have, with the values that ask for nothing."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request asks for.

    Attributes:
        problem: the question, its id and what was said before.
        knobs: keys of the configuration for this search.
        timeout: seconds; None for no limit.
        count: paths to return, at least 1.
        stop: texts before which the answer ends.
        not_followed: fields of the request that were not followed.
    """

    problem: Problem
    knobs: dict[str, Any]
    timeout: float | None
    count: int
    stop: tuple[str, ...]
    not_followed: tuple[str, ...]


def read_request(request: Request, model: VirtualModel, config: Config, sampling: SamplingRule) -> Wanted:
    """Read a request against the server's configuration.

    Raises:
        RequestError: a field that does not exist, is not supported, or contradicts the method.
    """
    _check_texts(request)
    own = _own_knobs(request)
    asked, system = _sampling_fields(request), _system_prompt(request)
    kept = {key: value for key, value in own.items() if key not in SAMPLING_KNOBS}
    knobs = {**model.knobs, **({} if system is None else {"system_prompt": system}), **kept}
    method = str(knobs.get("method", config.method))
    taken, not_followed = _followed(request, {**asked, **_pick(own, SAMPLING_KNOBS)}, method, sampling)
    stop = (request.stop,) if isinstance(request.stop, str) else tuple(request.stop or ())
    return Wanted(
        problem=_problem(request),
        knobs=knobs | taken,
        timeout=request.timeout_s,
        count=request.n or 1,
        stop=tuple(filter(None, stop)),
        not_followed=tuple(not_followed),
    )


def _own_knobs(request: Request) -> dict[str, Any]:
    """The keys of the configuration among the fields of a request, without those that ask for nothing."""
    knobs = {}
    for name, value in given(request).items():
        if name in NEUTRAL:
            if not any(value == neutral and type(value) is type(neutral) for neutral in (*NEUTRAL[name], 0.0)):
                raise RequestError(400, f"{name} is {shown(value)}; this server has no {name}.", "unsupported", name)
        elif name not in CALL_KEYS:
            raise _unknown_field(name, type(request).model_fields)
        else:
            knobs[name] = value
    if getattr(request, "echo", None):
        raise RequestError(400, "echo is true; this server returns the answer alone.", "unsupported", "echo")
    return knobs


def _unknown_field(name: str, fields: Iterable[str]) -> RequestError:
    """Make the error for a field that is none of a request, with the name that was probably meant."""
    if name in Config.model_fields:
        told = f"The field {name!r} cannot change per request; it is set when the server starts."
    else:
        told = f"The field {shown(name)} does not exist. {close_match(name, [*CALL_KEYS, *fields])}".rstrip()
    return RequestError(400, told, "unknown_field", name)


def _sampling_fields(request: Request) -> dict[str, Any]:
    """OpenAI's fields under the names of the configuration."""
    most = getattr(request, "max_completion_tokens", None) or request.max_tokens
    temperature = request.temperature
    values = {"temperature": temperature, "temp_origin": temperature, "top_p": request.top_p, "max_tokens": most}
    values["seed"] = request.seed
    return {key: value for key, value in values.items() if value is not None}


def _followed(
    request: Request, asked: dict[str, Any], method: str, sampling: SamplingRule
) -> tuple[dict[str, Any], list[str]]:
    """Separate what is followed of a request's sampling from what is not."""
    if sampling == "fixed":
        return {}, sorted(asked.keys() - ({"temp_origin"} if request.temperature is not None else set()))
    try:
        knobs = {field.name for field in fields(searcher_class(method))}  # type: ignore[arg-type]
    except ConfigError as error:
        raise RequestError(400, str(error), "unknown_method", "method") from None
    with_temperature = knobs & {"temperature", "temp_origin"}
    if request.temperature == 0 and with_temperature:
        raise RequestError(
            400,
            f"temperature is 0, at which all samples of {method} are the same. Ask for the model greedy, leave "
            "temperature out, or start the server with --sampling fixed, which keeps its own sampling.",
            "temperature_zero",
            "temperature",
        )
    if request.temperature is not None and not with_temperature:  # greedy has no temperature
        return {key: value for key, value in asked.items() if key not in ("temperature", "temp_origin")}, (
            [] if request.temperature == 0 else ["temperature"]
        )
    return asked, []


def _system_prompt(request: Request) -> str | None:
    """The system message that takes the place of the server's; "" for a prompt without a template."""
    if not isinstance(request, ChatRequest):
        return ""
    texts = [message.text for message in request.messages if message.role in ("system", "developer")]
    return "\n\n".join(texts) if texts else None


def _problem(request: Request) -> Problem:
    if isinstance(request, CompletionRequest):
        text = request.prompt if isinstance(request.prompt, str) else request.prompt[0]
        return _named(request, text, (), verbatim=True)
    assert isinstance(request, ChatRequest)
    said = [message for message in request.messages if message.role not in ("system", "developer")]
    if not said or said[-1].role != "user":
        raise RequestError(400, "The last message is not the user's; it is the question.", "no_question", "messages")
    turns = tuple([Message(message.role, message.text) for message in said[:-1]])
    return _named(request, said[-1].text, turns, verbatim=False)


def _named(request: Request, question: str, turns: tuple[Message, ...], *, verbatim: bool) -> Problem:
    if not question.strip():
        raise RequestError(400, "The question is empty.", "no_question", "prompt" if verbatim else "messages")
    whole = "\x1e".join([*[f"{turn.role}\x1f{turn.content}" for turn in turns], question])
    return Problem(request.problem_id or question_id(whole), question, "", turns=turns, verbatim=verbatim)


def _pick(values: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key in names}


def _check_texts(request: Request) -> None:
    """Refuse what no tokenizer takes: half of a surrogate pair, which JSON can write; and what is nested for no use."""
    waiting: list[tuple[int, Any]] = [(0, request)]
    while waiting:
        depth, value = waiting.pop()
        if depth > MOST_LEVELS:
            raise too_deep()
        if isinstance(value, str) and re.search("[\ud800-\udfff]", value):
            raise RequestError(400, "A text holds half of a surrogate pair, which is no character.", "invalid_text")
        waiting += [(depth + 1, each) for each in _inside(value)]


def _inside(value: Any) -> Sequence[Any]:
    """What a value of JSON, or a part of a request, consists of."""
    if isinstance(value, BaseModel):
        value = dict(value)
    if isinstance(value, dict):
        return [*value, *value.values()]
    return value if isinstance(value, list | tuple) else ()
