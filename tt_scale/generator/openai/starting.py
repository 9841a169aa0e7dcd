"""Start of the generator: query the models of all servers, then probe their features."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tt_scale.core.concurrency import gather_or_cancel
from tt_scale.engines.endpoints.addresses import GENERATOR_KEYS, api_key, split_urls
from tt_scale.engines.endpoints.faults import RequestFault
from tt_scale.engines.endpoints.openai_client import Body, Endpoint, Route
from tt_scale.engines.endpoints.retries import RetryPolicy
from tt_scale.engines.endpoints.routing import Server, Servers
from tt_scale.engines.model_names import resolve_model
from tt_scale.errors import ConfigError, GeneratorError, nearest
from tt_scale.generator.openai.abilities import Abilities
from tt_scale.generator.openai.chat_probing import probe_chat
from tt_scale.generator.openai.probing import Prober
from tt_scale.generator.tokens import Tokens
from tt_scale.pocket.weights import POCKET_MODELS

if TYPE_CHECKING:
    from tt_scale.config import Config

__all__ = ["Connection", "ModelCard", "connect", "listed_models", "tokenizer_source"]

LOG = logging.getLogger("tt_scale")

ATTEMPTS = 2
"""Maximum number of retries of each request at the start."""

SHOWN = 12
"""Maximum number of model names in a message; hosted servers have hundreds."""

Models = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A model as a server lists it.

    Attributes:
        name: name of the model on the server.
        context: context length in tokens; None if the server does not report it.
    """

    name: str
    context: int | None = None


@dataclass(frozen=True, slots=True)
class Connection:
    """Available servers, all equal.

    Attributes:
        endpoints: client of each [servers].
        abilities: their features.
        name: name of the model on them.
        context: smallest context length in tokens; None if none reports it.
    """

    endpoints: tuple[Endpoint, ...]
    abilities: Abilities
    name: str
    context: int | None


def tokenizer_source(config: Config) -> tuple[str, str | None]:
    """Name of the model's tokenizer, empty to use the server without one, and its revision on the hub.

    If `tokenizer` is not set, it is that of `model_name`, if that can be a folder or a hub name. Its revision is
    `model_revision` unless it has its own, `owner/name@revision`: another repository need not know that of the model.
    """
    name = config.model_name if config.tokenizer is None else config.tokenizer
    if config.tokenizer == "none":
        return "", None
    is_folder = os.path.isdir(os.path.expanduser(name))
    if config.tokenizer is not None:
        own, _, revision = name.partition("@")
        return (own, revision) if revision and not is_folder else (name, config.model_revision)
    has_one = name in (*POCKET_MODELS, "smollm2") or name.count("/") == 1 or is_folder
    return (name, config.model_revision) if has_one else ("", None)


async def connect(config: Config, tokens: Tokens | None) -> Connection:
    """Query and probe every server. One that cannot be reached is skipped with a warning, unless all are.

    Raises:
        GeneratorError: no server can be reached, or one of them requires an API key, serves other models, does not
            complete text, or has another tokenizer.
        ConfigError: the servers differ.
    """
    key = api_key(GENERATOR_KEYS)
    endpoints = [Endpoint(url, key, config.request_timeout) for url in split_urls(str(config.base_url))]
    async with AsyncExitStack() as stack:
        for endpoint in endpoints:
            stack.push_async_callback(endpoint.close)
        listed = await _reachable(endpoints, config)
        cards = [await asyncio.to_thread(_card, endpoint.url, models, config) for endpoint, models in listed]
        there = [endpoint for endpoint, _ in listed]
        asked = [_abilities(endpoint, card.name, tokens, config) for endpoint, card in zip(there, cards, strict=True)]
        found = await gather_or_cancel(asked)
        _require_equal(there, cards, found)
        stack.pop_all()
    for endpoint in endpoints:
        if endpoint not in there:
            await endpoint.close()
    return Connection(tuple(there), found[0], cards[0].name, _least_context(cards))


async def listed_models(endpoint: Endpoint, attempts: int = ATTEMPTS) -> Models:
    """Models that a server lists; empty if it does not list any.

    Raises:
        RequestFault: the server cannot be reached, requires an API key, or is overloaded.
    """
    try:
        return await _with_retries(endpoint, attempts).ask(lambda each: each.models())
    except RequestFault as fault:
        if fault.kind not in ("missing", "refused", "damaged"):
            raise
        return []


async def _reachable(endpoints: Sequence[Endpoint], config: Config) -> list[tuple[Endpoint, Models]]:
    """Query the models of all servers; those that cannot be reached are skipped with a warning."""
    attempts = min(ATTEMPTS, config.max_retries)
    answers = await asyncio.gather(*[listed_models(each, attempts) for each in endpoints], return_exceptions=True)
    found, unreachable = [], []
    for endpoint, answer in zip(endpoints, answers, strict=True):
        if isinstance(answer, RequestFault) and answer.kind in ("connection", "timeout", "server"):
            unreachable.append(answer)
        elif isinstance(answer, RequestFault):
            raise _start_error(answer) from answer
        elif isinstance(answer, BaseException):
            raise answer
        else:
            found.append((endpoint, answer))
    if not found:
        raise _start_error(unreachable[0]) from unreachable[0]
    for fault in unreachable:
        LOG.warning("%s It is not used.", fault.message)
    return found


def _card(url: str, models: Models, config: Config) -> ModelCard:
    """Find the configured model among those that a server lists; a server that lists none is not checked.

    Raises:
        GeneratorError: the server serves other models only.
    """
    if not models:
        return ModelCard(config.model_name)
    names = {config.model_name}
    with suppress(GeneratorError):
        names.add(resolve_model(config.model_name))
    for each in models:
        if {each.get("id"), each.get("root")} & names:
            return ModelCard(str(each.get("id")), _context_of(each))
    listed = [str(each.get("id")) for each in models]
    shown = ", ".join([*map(repr, listed[:SHOWN]), *(["..."] if len(listed) > SHOWN else [])])
    close = nearest(config.model_name, listed)
    raise GeneratorError(
        f"model_name is {config.model_name!r}; the server at {url} serves {shown}.",
        close
        if close.startswith("Did you mean")
        else "Set --model-name to one of these, and --tokenizer to its tokenizer.",
    )


def _context_of(card: Mapping[str, Any]) -> int | None:
    """Context length as vLLM, SGLang, OpenRouter or llama.cpp report it."""
    meta = card.get("meta")
    own = meta.get("n_ctx") if isinstance(meta, dict) else None
    reported = [card.get("max_model_len"), card.get("context_length"), own]
    return next((value for value in reported if isinstance(value, int) and value > 0), None)


def _least_context(cards: Sequence[ModelCard]) -> int | None:
    return min([card.context for card in cards if card.context], default=None)


async def _abilities(endpoint: Endpoint, served: str, tokens: Tokens | None, config: Config) -> Abilities:
    """Probe the features of a server.

    Raises:
        GeneratorError: it does not complete text, requires an API key, or has another tokenizer.
    """
    retrying = _with_retries(endpoint, min(ATTEMPTS, config.max_retries))

    async def ask(route: Route, body: Body) -> Mapping[str, Any]:
        return await retrying.ask(lambda each: each.ask(route, body))

    prober = Prober(endpoint, ask, served, config.stop_tokens)
    try:
        found = None if tokens is None else await prober.completions(tokens)
        found = found or await probe_chat(prober)
    except RequestFault as fault:
        raise _start_error(fault) from fault
    if found is None:
        raise _no_completions(endpoint.url, prober.refusals, tokens)
    return found


def _require_equal(endpoints: Sequence[Endpoint], cards: Sequence[ModelCard], found: Sequence[Abilities]) -> None:
    """Reject servers with different models or features."""
    for endpoint, card, abilities in zip(endpoints, cards, found, strict=True):
        if (abilities, card.name) != (found[0], cards[0].name):
            raise ConfigError(
                f"The servers at {endpoints[0].url} and {endpoint.url} differ: {cards[0].name!r} with "
                f"{found[0].in_words}, {card.name!r} with {abilities.in_words}.",
                "List equal servers in --base-url, or only one.",
            )


def _start_error(fault: RequestFault) -> GeneratorError:
    """Turn a fault at the start into an error with advice."""
    if fault.kind == "key":
        return GeneratorError(
            f"The server requires an API key: {fault.message}",
            f"Set the environment variable {' or '.join(GENERATOR_KEYS)}.",
        )
    if fault.kind == "connection":
        return GeneratorError(fault.message, "Check base_url, and that the server is running.")
    return GeneratorError(fault.message)


def _no_completions(url: str, refusals: Sequence[RequestFault], tokens: Tokens | None) -> GeneratorError:
    messages = " ".join(dict.fromkeys([fault.message for fault in refusals]))
    only_chat = "" if tokens else " Only chat completions were tried, since no tokenizer is known."
    return GeneratorError(
        f"The server at {url} does not complete text. {messages}{only_chat}",
        "Set --base-url to the address of its OpenAI-compatible API, such as http://localhost:8000/v1.",
    )


def _with_retries(endpoint: Endpoint, attempts: int) -> Servers[Endpoint]:
    """Requests to one server with retries."""
    return Servers([Server(endpoint.url, endpoint)], RetryPolicy(attempts), endpoint.seconds, Endpoint.models)
