"""PRMs on vLLM servers, over HTTP.

A PRM with a scoring head is used through `/pooling`, which takes token ids. The server must return a row for every
token, so it is started with

    vllm serve MODEL --runner pooling --pooler-config '{"task": "token_classify", "tok_pooling_type": "ALL"}'

This disables the prefix cache: every path is computed, and counted, completely.

A PRM whose score is the odds of two next tokens may also be served as a language model (`vllm serve MODEL`). Then the
log-probabilities of the two tokens after each step are requested from `/v1/completions`; previous steps are cached.

The server decides how its model is loaded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, ClassVar

from tt_scale.core.concurrency import gather_or_cancel
from tt_scale.core.printable import listed, shown
from tt_scale.core.records import Scores, Weights
from tt_scale.core.waiting import progressed
from tt_scale.engines.endpoints.addresses import api_key, split_urls
from tt_scale.engines.endpoints.faults import ENDS_A_RUN, RequestFault
from tt_scale.engines.endpoints.http_client import HttpEndpoint, require_httpx
from tt_scale.engines.endpoints.retries import RetryPolicy
from tt_scale.engines.endpoints.routing import Server, Servers
from tt_scale.engines.model_names import resolve_model
from tt_scale.errors import ConfigError, EngineDeadError, PRMError
from tt_scale.generator.openai.choosing import HOME_TOKENS, Chooser
from tt_scale.prm.adapters.base import ScoringInput, TokenHead
from tt_scale.prm.adapters.lookup import open_adapter
from tt_scale.prm.generator_engine import two_way_softmax
from tt_scale.prm.token_prm import TokenPRM
from tt_scale.prm.vllm_heads import column_of

if TYPE_CHECKING:
    from tt_scale.config import Config

__all__ = ["API_KEY", "PoolingServerPRM"]

API_KEY = "TT_SCALE_PRM_API_KEY"
"""Environment variable with the API key of the servers."""

LARGEST = 1e300
BYTES, BYTES_FOR_A_TOKEN = 1 << 16, 256
"""Maximum size of a response of /pooling, in all and per token; a row of two numbers takes about 45 bytes."""

START_ATTEMPTS = 2
"""Maximum number of retries of each request at the start."""

START = """vllm serve MODEL --runner pooling --pooler-config '{"task": "token_classify", "tok_pooling_type": "ALL"}'"""


class PoolingServerPRM(TokenPRM):
    """A PRM on one or several vLLM servers.

    Args:
        config: the run's configuration; `prm_url`, `prm_name`, `prm_adapter`, `prm_args`, `prm_max_model_len`,
            `request_timeout`, `max_retries` and `stop_tokens` are read.

    Raises:
        ConfigError: `prm_url` is not set, or a key is set that the server decides.
    """

    summary: ClassVar[str] = (
        "a PRM with an adapter on vLLM servers, at prm_url; rows of /pooling, or odds of two tokens"
    )
    config_keys: ClassVar[frozenset[str]] = TokenPRM.config_keys | {"prm_url"}

    def __init__(self, config: Config) -> None:
        if config.prm_url is None:
            raise ConfigError("prm is 'http', but prm_url is not set.", "Type: --prm-url http://localhost:8000")
        for key, value in (("prm_quantization", config.prm_quantization), ("prm_device", config.prm_device)):
            if value is not None:
                raise ConfigError(
                    f"{key} is {value!r}, but the server at prm_url decides how its model is loaded.",
                    f"Omit --{key.replace('_', '-')}.",
                )
        super().__init__(config)
        self._urls = split_urls(config.prm_url)
        self._endpoints: tuple[HttpEndpoint, ...] = ()
        self._servers: Servers[HttpEndpoint] | None = None
        self._chooser: Chooser[HttpEndpoint] | None = None
        self._has_scored = False

    @classmethod
    def weights(cls, config: Config) -> Sequence[Weights]:
        """None; the server loads the weights."""
        return ()

    async def start(self) -> None:
        """Load the tokenizer and query the models of each server.

        Raises:
            PRMError: a server cannot be reached, does not serve `prm_name`, or no adapter is known.
            MissingExtraError: httpx is not installed.
        """
        config = self._config
        require_httpx("A PRM on a server")
        source = await asyncio.to_thread(resolve_model, config.prm_name)
        self.adapter = await asyncio.to_thread(open_adapter, config, source)
        self._column = column_of(self.adapter)
        endpoints = [HttpEndpoint(url, api_key((API_KEY,)), config.request_timeout) for url in self._urls]
        async with AsyncExitStack() as stack:
            for endpoint in endpoints:
                stack.push_async_callback(endpoint.close)
            await self._connect(endpoints, {config.prm_name, source})
            stack.pop_all()

    async def close(self) -> None:
        """Close the connections; a second call does nothing."""
        servers, self._servers = self._servers, None
        if servers is not None:
            await servers.close()
        endpoints, self._endpoints = self._endpoints, ()
        for endpoint in endpoints:
            await endpoint.close()

    async def score_inputs(self, inputs: Sequence[ScoringInput]) -> list[Scores]:
        """Score inputs: one request for each input, or one for each scored position of a language model."""
        score = self._score_pooled if self._chooser is None else self._score_choices
        try:
            return await gather_or_cancel([score(each) for each in inputs])
        except RequestFault as fault:
            raise await self._error(fault) from fault

    async def _connect(self, endpoints: Sequence[HttpEndpoint], names: set[str]) -> None:
        """Find the model on every server, and determine how it is served."""
        config = self._config
        cards = await gather_or_cancel([self._served(endpoint, names) for endpoint in endpoints])
        self._model = str(cards[0]["id"])
        for endpoint, card in zip(endpoints, cards, strict=True):
            if card["id"] != self._model:
                raise PRMError(
                    f"The PRM is named {self._model!r} on the server at {endpoints[0].url}, but {card['id']!r} on that "
                    f"at {endpoint.url}.",
                    "Start them with the same --served-model-name.",
                )
        own = self.context_of(self.adapter.checkpoint.settings, config)
        longest = [self._context_on(endpoint.url, card) for endpoint, card in zip(endpoints, cards, strict=True)]
        self.context = min([own, *[tokens for tokens in longest if tokens is not None]])
        self._endpoints = tuple(endpoints)
        servers = [Server(endpoint.url, endpoint) for endpoint in endpoints]
        policy = RetryPolicy(config.max_retries)
        self._servers = Servers(servers, policy, config.request_timeout, HttpEndpoint.models)
        if isinstance(self.adapter.head, TokenHead) and await self._generates(endpoints):
            self._chooser = Chooser(self._model, self._servers)
            self.context -= 2  # one token is generated, and one may be appended to the prompt

    async def _served(self, endpoint: HttpEndpoint, names: set[str]) -> Mapping[str, Any]:
        """Find the PRM among the served models, so that no other model's scores are recorded under its name."""
        try:
            models = await self._with_retries(endpoint).ask(HttpEndpoint.models)
        except RequestFault as fault:
            raise self._start_error(fault) from fault
        for each in models:
            if each["id"] in names or each.get("root") in [*names]:
                return each
        served = listed([each["id"] for each in models], quoted=True) or "nothing"
        raise PRMError(
            f"prm_name is {self._config.prm_name!r}, but the server at {endpoint.url} serves {served}.",
            "Set --prm-name to its name, or start the server with --served-model-name.",
        )

    async def _generates(self, endpoints: Sequence[HttpEndpoint]) -> bool:
        """Whether all servers run the model as a language model."""
        head = self.adapter.head
        assert isinstance(head, TokenHead)
        for endpoint in endpoints:
            try:
                chooser = Chooser(self._model, self._with_retries(endpoint))
                await chooser.choose([head.positive, head.negative], [head.positive, head.negative])
            except RequestFault as fault:
                if fault.kind not in ("missing", "refused"):
                    raise self._start_error(fault) from fault
                return False
        return True

    async def _score_pooled(self, scoring_input: ScoringInput) -> Scores:
        """Score an input by the pooled rows of its tokens."""
        home = hash(scoring_input.ids[:HOME_TOKENS])
        rows = await self._running().ask(lambda each: self._pooled(each, scoring_input.ids), home)
        progressed(self)
        where = ", ".join(self._urls)
        values = scoring_input.checked([self._value(rows[position], where) for position in scoring_input.positions])
        self._has_scored = True
        return Scores(values, len(rows))

    async def _pooled(self, endpoint: HttpEndpoint, ids: Sequence[int]) -> list[Any]:
        """Request the rows of all tokens; a wrong number is a broken response if earlier ones were right.

        Raises:
            RequestFault: the request failed, or its response is damaged.
            PRMError: the server pools in another way.
        """
        body = {"model": self._model, "input": list(ids), "task": "token_classify"}
        rows = _rows(await endpoint.post("/pooling", body, BYTES + BYTES_FOR_A_TOKEN * len(ids)))
        if rows is not None and len(rows) == len(ids):
            return rows
        told = (
            "no rows from /pooling." if rows is None else f"{len(rows)} rows for {len(ids)} tokens; expected one each."
        )
        if self._has_scored:
            raise RequestFault("damaged", f"The server at {endpoint.url} returned {told}", endpoint.url)
        raise PRMError(f"The server at {endpoint.url} returned {told}", f"Start it with: {START}")

    def _value(self, row: Any, where: str) -> float:
        value = row[self._column] if isinstance(row, list) and len(row) > self._column else None
        if isinstance(value, int | float) and not isinstance(value, bool) and not abs(value) > LARGEST:
            return float(value)
        raise PRMError(
            f"The server at {where} returned {shown(row)} for a token; expected a score as its number "
            f"{self._column + 1}."
        )

    def _context_on(self, url: str, card: Mapping[str, Any]) -> int | None:
        """Context length that a server reports; None if it reports none."""
        length = card.get("max_model_len")
        if length is not None and (isinstance(length, bool) or not isinstance(length, int) or length < 1):
            raise PRMError(f"The server at {url} reports max_model_len {shown(length)}; allowed: 1 or more.")
        return length

    async def _score_choices(self, scoring_input: ScoringInput) -> Scores:
        """Score an input by the odds of the two tokens at every position."""
        head, chooser = self.adapter.head, self._chooser
        assert isinstance(head, TokenHead)
        assert chooser is not None
        self._running()
        tokens = [head.positive, head.negative]
        prompts = [scoring_input.ids[: position + 1] for position in scoring_input.positions]
        choices = await gather_or_cancel([chooser.choose(prompt, tokens) for prompt in prompts])
        progressed(self)
        values = scoring_input.checked([two_way_softmax(*choice.logprobs) for choice in choices])
        return Scores(values, sum(map(len, prompts)), sum([choice.cached for choice in choices]))

    def _running(self) -> Servers[HttpEndpoint]:
        if self._servers is None:
            raise EngineDeadError("The PRM is closed.")
        return self._servers

    def _with_retries(self, endpoint: HttpEndpoint) -> Servers[HttpEndpoint]:
        """Requests to one server with retries."""
        policy = RetryPolicy(min(START_ATTEMPTS, self._config.max_retries))
        return Servers([Server(endpoint.url, endpoint)], policy, self._config.request_timeout, HttpEndpoint.models)

    def _start_error(self, fault: RequestFault) -> PRMError:
        if fault.kind == "key":
            return PRMError(
                f"The server requires an API key: {fault.message}", f"Set the environment variable {API_KEY}."
            )
        if fault.kind == "connection":
            return PRMError(
                f"There is no server at {fault.url}: {fault.message}", f"Check prm_url, or start one: {START}"
            )
        return PRMError(fault.message)

    async def _error(self, fault: RequestFault) -> PRMError | EngineDeadError:
        """Turn a fault whose retries are exhausted into an error; it ends the run if no server is available."""
        if fault.kind in ENDS_A_RUN or (fault.retryable and await self._running().are_gone()):
            return EngineDeadError(f"The PRM's server can no longer be used: {fault.message}")
        return PRMError(f"The PRM's server did not score: {fault.message}")


def _rows(answer: Mapping[str, Any]) -> list[Any] | None:
    """Rows of the first input in a response of /pooling; None if there are none."""
    match answer:
        case {"data": [{"data": list(rows)}, *_]}:
            return rows
    return None
