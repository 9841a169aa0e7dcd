"""Generator on one or several OpenAI-compatible servers.

`start` queries the model and probes the features of each server; after that requests go to the least busy one, with the
best protocol that all of them support. The servers decide how the model is loaded.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from tt_scale.base_classes import SERVER_KEYS, Generator
from tt_scale.core.concurrency import gather_or_cancel
from tt_scale.core.logprobs import TOP_LOGPROBS
from tt_scale.core.records import Problem, Step, StepRequest, Weights
from tt_scale.core.waiting import progressed
from tt_scale.engines.context_length import fitted, own_context
from tt_scale.engines.endpoints.faults import ENDS_A_RUN, RequestFault
from tt_scale.engines.endpoints.openai_client import Endpoint, require_openai
from tt_scale.engines.endpoints.retries import RetryPolicy
from tt_scale.engines.endpoints.routing import Server, Servers
from tt_scale.engines.model_size import model_folder, model_settings, model_size
from tt_scale.errors import ConfigError, EngineDeadError, GeneratorError
from tt_scale.generator.language_model import Choice, LanguageModel, lead_in_text
from tt_scale.generator.openai.abilities import Abilities
from tt_scale.generator.openai.chat_protocol import ChatProtocol
from tt_scale.generator.openai.choosing import HOME_TOKENS, Chooser
from tt_scale.generator.openai.probing import QUESTION
from tt_scale.generator.openai.protocol import Protocol, require_plain_sampling
from tt_scale.generator.openai.starting import connect, tokenizer_source
from tt_scale.generator.openai.text_protocol import CompletionProtocol
from tt_scale.generator.openai.token_protocol import TokenProtocol
from tt_scale.generator.tokens import Tokens

if TYPE_CHECKING:
    from typing_extensions import Self

    from tt_scale.base_classes import Searcher
    from tt_scale.config import Config

__all__ = ["OpenAIGenerator"]

LOG = logging.getLogger("tt_scale")


class OpenAIGenerator(LanguageModel):
    """A language model on OpenAI-compatible servers.

    Args:
        config: the run's configuration; `base_url`, `model_name`, `tokenizer`, `request_timeout`, `max_retries` and the
            sampling keys are read.

    Raises:
        ConfigError: `base_url` is not set, or `quantization` is, which the server decides.
    """

    summary: ClassVar[str] = (
        "a model behind OpenAI-compatible servers (vLLM, SGLang, llama.cpp, hosted ones), at base_url"
    )
    can_score: ClassVar[bool] = True
    config_keys: ClassVar[frozenset[str]] = SERVER_KEYS
    most_logprobs = TOP_LOGPROBS

    def __init__(self, config: Config) -> None:
        if config.base_url is None:
            raise ConfigError(
                "generator is 'openai', but base_url is not set.", "Type: --base-url http://localhost:8000"
            )
        if config.quantization is not None:
            raise ConfigError(
                f"quantization is {config.quantization!r}, but the server at base_url decides how its model is loaded.",
                "Omit --quantization.",
            )
        self.context = config.max_model_len or 0  # `start` determines the value of null
        self._config = config
        self._tokens: Tokens | None = None
        self._endpoints: tuple[Endpoint, ...] = ()
        self._servers: Servers[Endpoint] | None = None

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Construct a generator from a configuration; no request is sent before `start`."""
        return cls(config)

    @classmethod
    def weights(cls, config: Config) -> Sequence[Weights]:
        """None; the server loads the weights."""
        return ()

    async def start(self) -> None:
        """Load the tokenizer, and query and probe every server.

        Raises:
            GeneratorError: no server can be reached, one does not complete text, requires an API key or serves another
                model, or the tokenizer cannot be loaded or belongs to another model.
            ConfigError: the servers differ, or reject a sampling parameter of the configuration.
            MissingExtraError: the `openai` package is not installed.
        """
        config = self._config
        require_openai("A generator behind a server")
        name, revision = tokenizer_source(config)
        if name:
            self._tokens = await asyncio.to_thread(
                Tokens.load, name, trust_remote_code=config.trust_remote_code, revision=revision
            )
            await asyncio.to_thread(self._tokens.check_template)
        connection = await connect(config, self._tokens)
        self._endpoints = connection.endpoints
        abilities = connection.abilities
        settings = {key: getattr(config, key) for key in ("top_k", "min_p", "repetition_penalty")}
        require_plain_sampling(abilities.dialect, settings, self.url)
        servers = [Server(endpoint.url, endpoint) for endpoint in self._endpoints]
        self._servers = Servers(servers, RetryPolicy(config.max_retries), config.request_timeout, Endpoint.models)
        self._protocol = self._make_protocol(abilities, connection.name)
        self._abilities = abilities
        self.most_logprobs = TOP_LOGPROBS if abilities.returns_ids else 0
        self._fit(connection.context, name)
        self._warn(abilities)

    async def close(self) -> None:
        """Close all connections; a second call does nothing."""
        servers, self._servers = self._servers, None
        if servers is not None:
            await servers.close()
        endpoints, self._endpoints = self._endpoints, ()
        for endpoint in endpoints:
            await endpoint.close()

    @property
    def url(self) -> str:
        """The addresses as configured."""
        return str(self._config.base_url)

    @property
    def tokens(self) -> Tokens:  # type: ignore[override]
        """The tokenizer.

        Raises:
            GeneratorError: there is none.
        """
        if self._tokens is None:
            raise GeneratorError(
                f"The tokenizer of {self._config.model_name!r} at {self.url} is unknown.",
                "Set --tokenizer to a folder or hub name.",
            )
        return self._tokens

    @property
    def reasoning_tags(self) -> tuple[tuple[str, str], ...]:  # type: ignore[override]
        """Reasoning tags in the chat template, if it is rendered by the client."""
        return () if self._tokens is None else LanguageModel.reasoning_tags.fget(self)  # type: ignore[attr-defined]

    def check_conversation(self, problem: Problem) -> None:
        """Refuse verbatim prompts where the server renders the template; earlier turns it takes."""
        if self._tokens is None and problem.verbatim:
            Generator.check_conversation(self, problem)

    def prompt(self, problem: Problem, system_prompt: str) -> tuple[int, ...]:
        """Render the chat template once, or encode the messages for the server, as ids [length]."""
        return self._protocol.prompt(problem, system_prompt)

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """Decode each id to the text that it adds [length]."""
        return self._protocol.pieces(ids)

    def lead_in(self, final_answer_prefix: str) -> tuple[int, ...]:
        """Token ids of a line that ends where a final answer begins."""
        return self._protocol.encode(lead_in_text(final_answer_prefix))

    def check_search(self, searcher: Searcher, config: Config) -> None:
        """Reject a search that the server does not support.

        Raises:
            ConfigError: the search extends partial paths, or reads log-probabilities, and the server supports neither.
        """
        why = self._abilities.no_steps
        if why and not searcher.whole_answers:
            raise ConfigError(
                f"method {config.method!r} searches step by step, but the server at {self.url} only samples whole "
                f"answers: {why}.",
                f"Type: --method {', or '.join(whole_answer_methods())}",
            )
        if why and (config.limits.max_generated_tokens is not None or config.last_resort != "none"):
            key = "last_resort" if config.last_resort != "none" else "max_generated_tokens (or budget)"
            raise ConfigError(
                f"{key} is set, which needs the continuation of partial answers, but the server at {self.url} only "
                f"samples whole answers: {why}.",
                f"Omit --{key.partition(' ')[0].replace('_', '-')}.",
            )
        if searcher.top_logprobs > self.most_logprobs:
            raise ConfigError(
                f"method {config.method!r} reads log-probabilities, but the server at {self.url} returns text without "
                "token ids.",
                "Serve the model with vLLM or SGLang, and name its tokenizer: --tokenizer",
            )

    async def generate(self, requests: Sequence[StepRequest]) -> list[Step]:
        """Sample one continuation for each request, in the order of the requests.

        Cancelling the call closes its connections, which aborts the requests on the servers.

        Raises:
            EngineDeadError: no server is available any more.
        """
        return await gather_or_cancel([self._sample(request) for request in requests])

    async def require_choices(self) -> None:
        """Send one request for given tokens; errors as for `LanguageModel.require_choices`."""
        prompt = self.tokens.encode(QUESTION)
        await self.choose([prompt], prompt[:2])

    async def choose(self, prompts: Sequence[tuple[int, ...]], choices: Sequence[int]) -> list[Choice]:
        """Log-probabilities of given next tokens after each prompt; see `LanguageModel.choose`."""
        no_choices = GeneratorError(
            f"The server at {self.url} returns no log-probabilities of given tokens, which a PRM that is a language "
            "model needs.",
            "Serve the model with vLLM and set --tokenizer, or use another PRM.",
        )
        if not isinstance(self._protocol, TokenProtocol):
            raise no_choices
        for prompt in prompts:
            if len(prompt) >= self.context:
                raise GeneratorError(
                    f"A prompt has {len(prompt)} tokens, but the context length is {self.context}.",
                )
        try:
            return await gather_or_cancel([self._chooser.choose(prompt, choices) for prompt in prompts])
        except RequestFault as fault:
            raise no_choices if fault.kind == "missing" else await self._error(fault) from fault

    async def _sample(self, request: StepRequest) -> Step:
        nothing = Step("", (), "context", seed=request.seed, temperature=request.sampling.temperature)
        if len(request.ids) + request.max_tokens > self.context:
            return nothing
        servers = self._running()
        if request.top_logprobs:
            await self._chooser.separate()
        try:
            return await servers.ask(lambda endpoint: self._answer(endpoint, request), _home(request.ids))
        except RequestFault as fault:
            error = await self._error(fault)
            if isinstance(error, EngineDeadError):
                raise error from fault
            return replace(nothing, ended="error", error=error.message)

    async def _answer(self, endpoint: Endpoint, request: StepRequest) -> Step:
        """Sample one continuation; every response counts as progress, also that of an overloaded server."""
        try:
            step = await self._protocol.sample(endpoint, request)
        except RequestFault as fault:
            if fault.kind == "load":
                progressed(self)
            raise
        progressed(self)
        return step

    def _fit(self, context: int | None, tokenizer: str) -> None:
        """Set the context length from servers and model, and the parameter count."""
        own = own_context(model_settings(tokenizer)) if tokenizer else None
        self._config = fitted(self._config, min([each for each in (context, own) if each], default=None))
        self.context = self._config.context
        folder = model_folder(tokenizer) if tokenizer else None
        self.parameters = model_size(self._config.model_name, "float16", folder=folder).parameters or 0

    def _running(self) -> Servers[Endpoint]:
        if self._servers is None:
            raise EngineDeadError("The generator is closed.")
        return self._servers

    async def _error(self, fault: RequestFault) -> GeneratorError:
        """Turn a fault whose retries are exhausted into an error; it ends the run if no server is available."""
        if fault.kind in ENDS_A_RUN or (fault.retryable and await self._running().are_gone()):
            return EngineDeadError(f"The server at {self.url} can no longer be used: {fault.message}")
        return GeneratorError(fault.message, retryable=fault.retryable)

    def _make_protocol(self, abilities: Abilities, served: str) -> Protocol:
        """Construct the best protocol that the servers support."""
        delimiters = self._config.stop_tokens
        if abilities.returns_ids:
            self._chooser = Chooser(served, self._running())
            return TokenProtocol(self, served, abilities.dialect)
        if abilities.route == "/completions":
            return CompletionProtocol(
                self,
                served,
                abilities.dialect,
                delimiters,
                names_end=abilities.names_end,
                takes_ids=abilities.takes_ids,
                adds_beginning=abilities.adds_beginning,
            )
        return ChatProtocol(
            served,
            abilities.dialect,
            delimiters,
            names_end=abilities.names_end,
            continuation=abilities.continuation,
        )

    def _warn(self, abilities: Abilities) -> None:
        if not abilities.returns_ids:
            LOG.warning(
                "The server at %s returns text without token ids: token counts are %s, and a run cannot be reproduced "
                "exactly.",
                self.url,
                "those that it reports" if abilities.counts else "estimated, since it reports none",
            )


def whole_answer_methods() -> list[str]:
    """Names of the methods that sample whole answers."""
    from tt_scale.registry import available, searcher_class

    return [name for name in available("searchers") if searcher_class(name).whole_answers]


def _home(ids: Sequence[int]) -> int:
    """Number of the home server of a prompt, whose prefix cache has its beginning."""
    return hash(tuple(ids[:HOME_TOKENS]))
