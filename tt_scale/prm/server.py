"""PRMs on vLLM servers, over HTTP.

A PRM with a head of its own is asked at `/pooling`, with token ids; back comes a row for each token. The server must
give a row for every token, so it is started with

    vllm serve MODEL --runner pooling --pooler-config '{"task": "token_classify", "tok_pooling_type": "ALL"}'

There a prompt is never read from the prefix cache: every path is computed whole, and counted so.

A PRM whose verdict is the odds of two next tokens may also run as the language model that it is (`vllm serve MODEL`).
It is asked at `/v1/completions` how likely the two are where each step ends; the prefix cache has the steps before.

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
from tt_scale.engines.endpoints.faults import RequestFault
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
"""The environment variable that holds the key of a server that asks for one."""

LARGEST = 1e300
BYTES, BYTES_FOR_A_TOKEN = 1 << 16, 256
"""Most bytes of an answer to /pooling; a row of two numbers takes some 45."""

START_ATTEMPTS = 2
"""Retries of each request of the start, at most."""

START = """vllm serve MODEL --runner pooling --pooler-config '{"task": "token_classify", "tok_pooling_type": "ALL"}'"""


class PoolingServerPRM(TokenPRM):
    """A PRM on one or several vLLM servers.

    Args:
        config: of the run; read are `prm_url`, `prm_name`, `prm_adapter`, `prm_args`, `prm_max_model_len`,
            `request_timeout`, `max_retries` and `stop_tokens`.

    Raises:
        ConfigError: there is no `prm_url`, or something is asked for that the server has to decide.
    """

    summary: ClassVar[str] = (
        "a PRM with an adapter on vLLM servers, at prm_url; rows of /pooling, or odds of two tokens"
    )
    config_keys: ClassVar[frozenset[str]] = TokenPRM.config_keys | {"prm_url"}

    def __init__(self, config: Config) -> None:
        if config.prm_url is None:
            raise ConfigError("prm is 'http', and there is no prm_url.", "Type: --prm-url http://localhost:8000")
        for key, value in (("prm_quantization", config.prm_quantization), ("prm_device", config.prm_device)):
            if value is not None:
                raise ConfigError(
                    f"{key} is {value!r}, but the server at prm_url decides how its model is loaded.",
                    f"Leave out --{key.replace('_', '-')}.",
                )
        super().__init__(config)
        self._urls = split_urls(config.prm_url)
        self._endpoints: tuple[HttpEndpoint, ...] = ()
        self._servers: Servers[HttpEndpoint] | None = None
        self._chooser: Chooser[HttpEndpoint] | None = None

    @classmethod
    def weights(cls, config: Config) -> Sequence[Weights]:
        """None: the server has loaded them."""
        return ()

    async def start(self) -> None:
        """Load the tokenizer and ask each server for its models.

        Raises:
            PRMError: there is no such server, it does not serve `prm_name`, or no adapter is known.
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
        """Send inputs, each as a request of its own, or one for each place where a step is scored."""
        score = self._pooled if self._chooser is None else self._chosen
        try:
            return await gather_or_cancel([score(each) for each in inputs])
        except RequestFault as fault:
            raise await self._error(fault) from fault

    async def _connect(self, endpoints: Sequence[HttpEndpoint], names: set[str]) -> None:
        """Find the model on every server, and how it is asked there."""
        config = self._config
        cards = await gather_or_cancel([self._served(endpoint, names) for endpoint in endpoints])
        self._model = str(cards[0]["id"])
        for endpoint, card in zip(endpoints, cards, strict=True):
            if card["id"] != self._model:
                raise PRMError(
                    f"The server at {endpoints[0].url} calls the PRM {self._model!r}, that at {endpoint.url} "
                    f"{card['id']!r}.",
                    "Start them with the same --served-model-name.",
                )
        own = self.context_of(self.adapter.checkpoint.settings, config)
        longest = [self._longest(endpoint.url, card) for endpoint, card in zip(endpoints, cards, strict=True)]
        self.context = min([own, *[tokens for tokens in longest if tokens is not None]])
        self._endpoints = tuple(endpoints)
        servers = [Server(endpoint.url, endpoint) for endpoint in endpoints]
        policy = RetryPolicy(config.max_retries)
        self._servers = Servers(servers, policy, config.request_timeout, HttpEndpoint.models)
        if isinstance(self.adapter.head, TokenHead) and await self._writes(endpoints):
            self._chooser = Chooser(self._model, self._servers)
            self.context -= 2  # one token is written, and one may stand at the prompt's end

    async def _served(self, endpoint: HttpEndpoint, names: set[str]) -> Mapping[str, Any]:
        """Find the PRM among what is served; another model's scores would stand under its name."""
        try:
            models = await self._patient(endpoint).ask(HttpEndpoint.models)
        except RequestFault as fault:
            raise self._start_error(fault) from fault
        for each in models:
            if each["id"] in names or each.get("root") in [*names]:
                return each
        there = listed([each["id"] for each in models], quoted=True) or "nothing"
        raise PRMError(
            f"prm_name is {self._config.prm_name!r}; the server at {endpoint.url} serves {there}.",
            "Give --prm-name its name, or start the server with --served-model-name.",
        )

    async def _writes(self, endpoints: Sequence[HttpEndpoint]) -> bool:
        """Whether all servers run the model as one that writes."""
        head = self.adapter.head
        assert isinstance(head, TokenHead)
        for endpoint in endpoints:
            try:
                chooser = Chooser(self._model, self._patient(endpoint))
                await chooser.choose([head.positive, head.negative], [head.positive, head.negative])
            except RequestFault as fault:
                if fault.kind not in ("missing", "refused"):
                    raise self._start_error(fault) from fault
                return False
        return True

    async def _pooled(self, scoring_input: ScoringInput) -> Scores:
        """Read the scores out of the rows of all tokens."""
        body = {"model": self._model, "input": list(scoring_input.ids), "task": "token_classify"}
        most = BYTES + BYTES_FOR_A_TOKEN * len(scoring_input.ids)
        answer = await self._running().ask(
            lambda each: each.post("/pooling", body, most), hash(scoring_input.ids[:HOME_TOKENS])
        )
        progressed(self)
        where, rows = ", ".join(self._urls), _rows(answer)
        if rows is None:
            raise PRMError(f"The server at {where} gave no rows to /pooling.", f"Start it with: {START}")
        count = len(rows)
        if count != len(scoring_input.ids):
            raise PRMError(
                f"The server at {where} gave {count} rows for {len(scoring_input.ids)} tokens; one each is needed.",
                f"Start it with: {START}",
            )
        return Scores(
            scoring_input.checked([self._value(rows[place], where) for place in scoring_input.positions]), count
        )

    def _value(self, row: Any, where: str) -> float:
        value = row[self._column] if isinstance(row, list) and len(row) > self._column else None
        if isinstance(value, int | float) and not isinstance(value, bool) and not abs(value) > LARGEST:
            return float(value)
        raise PRMError(
            f"The server at {where} gave {shown(row)} for a token; number {self._column + 1} of it is the score."
        )

    def _longest(self, url: str, card: Mapping[str, Any]) -> int | None:
        """Read how many tokens a server's model reads; None where it does not say."""
        told = card.get("max_model_len")
        if told is not None and (isinstance(told, bool) or not isinstance(told, int) or told < 1):
            raise PRMError(f"The server at {url} says that its model reads {shown(told)} tokens; allowed: 1 or more.")
        return told

    async def _chosen(self, scoring_input: ScoringInput) -> Scores:
        """Ask for the odds of the two tokens at every place."""
        head, chooser = self.adapter.head, self._chooser
        assert isinstance(head, TokenHead)
        assert chooser is not None
        self._running()
        tokens = [head.positive, head.negative]
        prompts = [scoring_input.ids[: place + 1] for place in scoring_input.positions]
        found = await gather_or_cancel([chooser.choose(prompt, tokens) for prompt in prompts])
        progressed(self)
        values = scoring_input.checked([two_way_softmax(*choice.logprobs) for choice in found])
        return Scores(values, sum(map(len, prompts)), sum([choice.cached for choice in found]))

    def _running(self) -> Servers[HttpEndpoint]:
        if self._servers is None:
            raise EngineDeadError("The PRM is closed.")
        return self._servers

    def _patient(self, endpoint: HttpEndpoint) -> Servers[HttpEndpoint]:
        """One server, asked a few times."""
        policy = RetryPolicy(min(START_ATTEMPTS, self._config.max_retries))
        return Servers([Server(endpoint.url, endpoint)], policy, self._config.request_timeout, HttpEndpoint.models)

    def _start_error(self, fault: RequestFault) -> PRMError:
        if fault.kind == "key":
            return PRMError(f"The server wants a key: {fault.message}", f"Put it into the variable {API_KEY}.")
        if fault.kind == "connection":
            return PRMError(
                f"There is no server at {fault.url}: {fault.message}", f"Check prm_url, or start one: {START}"
            )
        return PRMError(fault.message)

    async def _error(self, fault: RequestFault) -> PRMError | EngineDeadError:
        """What a request that failed for good means for the run."""
        if fault.kind in ("key", "load") or (fault.retryable and await self._running().are_gone()):
            return EngineDeadError(f"The PRM's server can no longer be used: {fault.message}")
        return PRMError(f"The PRM's server did not score: {fault.message}")


def _rows(answer: Mapping[str, Any]) -> list[Any] | None:
    """Find the rows of the only text in an answer to /pooling; None where there are none."""
    match answer:
        case {"data": [{"data": list(rows)}, *_]}:
            return rows
    return None
