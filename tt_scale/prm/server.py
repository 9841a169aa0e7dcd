"""PRMs on a vLLM server, over HTTP: POST /pooling with token ids, back comes a row for each token.

The server decides how its model is loaded. It must give a row for every token, so it is started with

    vllm serve MODEL --runner pooling --pooler-config '{"task": "token_classify", "tok_pooling_type": "ALL"}'

Over HTTP a prompt is never read from the prefix cache: every path is computed whole, and counted so.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from tt_scale.core.records import Scores, Weights
from tt_scale.engines.load_errors import sentence
from tt_scale.engines.model_names import resolve_model
from tt_scale.errors import ConfigError, EngineDeadError, MissingExtraError, PRMError
from tt_scale.prm.adapters.base import ScoringInput
from tt_scale.prm.adapters.lookup import open_adapter
from tt_scale.prm.token_prm import TokenPRM
from tt_scale.prm.vllm_heads import column_of

if TYPE_CHECKING:
    import httpx

    from tt_scale.config import Config

__all__ = ["API_KEY", "PoolingServerPRM"]

API_KEY = "TT_SCALE_PRM_API_KEY"
"""The environment variable that holds the key of a server that asks for one."""
CONNECT_SECONDS, ANSWER_SECONDS = 5.0, 300.0
CONNECT_RETRIES = 4
"""Further attempts to connect, with growing pauses."""
MOST_REQUESTS = 64
START = """vllm serve MODEL --runner pooling --pooler-config '{"task": "token_classify", "tok_pooling_type": "ALL"}'"""


class PoolingServerPRM(TokenPRM):
    """A PRM on a vLLM server.

    Args:
        config: of the run; read are `prm_url`, `prm_name`, `prm_adapter`, `prm_args`, `prm_max_model_len` and
            `stop_tokens`.

    Raises:
        ConfigError: there is no `prm_url`, or something is asked for that the server has to decide.
    """

    summary: ClassVar[str] = "a PRM with an adapter, on a vLLM server; whole paths, no prefix cache over HTTP"
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
        self._url: str = config.prm_url.rstrip("/")
        self._client: httpx.AsyncClient | None = None
        self._model = ""

    @classmethod
    def weights(cls, config: Config) -> Sequence[Weights]:
        """None: the server has loaded them."""
        return ()

    async def start(self) -> None:
        """Load the tokenizer and ask the server for its models.

        Raises:
            PRMError: there is no such server, it does not serve `prm_name`, or no adapter is known.
            MissingExtraError: httpx is not installed.
        """
        config = self._config
        try:
            import httpx
        except ImportError:
            raise MissingExtraError("httpx", "http", "A PRM on a server") from None
        source = await asyncio.to_thread(resolve_model, config.prm_name)
        self.adapter = await asyncio.to_thread(open_adapter, config, source)
        self._column = column_of(self.adapter)
        key = os.environ.get(API_KEY)
        self._client = httpx.AsyncClient(
            base_url=self._url,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS, pool=None),
            limits=httpx.Limits(max_connections=MOST_REQUESTS),
            transport=httpx.AsyncHTTPTransport(
                retries=CONNECT_RETRIES, limits=httpx.Limits(max_connections=MOST_REQUESTS)
            ),
        )
        served = await self._served({config.prm_name, source})
        self._model = str(served["id"])
        own = self.context_of(self.adapter.checkpoint.settings, config)
        self.context = min(own, int(served.get("max_model_len") or own))

    async def close(self) -> None:
        """Close the connections; a second call does nothing."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def score_inputs(self, inputs: Sequence[ScoringInput]) -> list[Scores]:
        """Send inputs, each as a request of its own."""
        return list(await asyncio.gather(*[self._score(each) for each in inputs]))

    async def _score(self, reading: ScoringInput) -> Scores:
        asked = {"model": self._model, "input": list(reading.ids), "task": "token_classify"}
        answer = await self._ask("POST", "/pooling", asked)
        try:
            rows = answer["data"][0]["data"]
            count = len(rows)
        except (LookupError, TypeError):
            raise PRMError(f"The server at {self._url} gave no rows to /pooling.", f"Start it with: {START}") from None
        if count != len(reading.ids):
            raise PRMError(
                f"The server at {self._url} gave {count} rows for {len(reading.ids)} tokens; one each is needed.",
                f"Start it with: {START}",
            )
        try:
            values = [float(rows[place][self._column]) for place in reading.positions]
        except (LookupError, TypeError, ValueError):
            row = rows[reading.positions[0]]
            raise PRMError(
                f"The server at {self._url} gave {row!r} for a token; number {self._column + 1} of it is the score."
            ) from None
        return Scores(reading.checked(values), len(reading.ids))

    async def _served(self, names: set[str]) -> Mapping[str, Any]:
        """Find the PRM among what is served; another model's scores would stand under its name."""
        models = (await self._ask("GET", "/v1/models")).get("data") or []
        for each in models:
            if {each.get("id"), each.get("root")} & names:
                found: Mapping[str, Any] = each
                return found
        there = ", ".join([repr(each.get("id")) for each in models]) or "nothing"
        raise PRMError(
            f"prm_name is {self._config.prm_name!r}; the server at {self._url} serves {there}.",
            "Give --prm-name its name, or start the server with --served-model-name.",
        )

    async def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send one request.

        Raises:
            PRMError: it was refused, took too long, or the answer is no JSON.
            EngineDeadError: a server that was there before is gone.
        """
        import httpx

        if self._client is None:
            raise EngineDeadError("The PRM is closed.")
        try:
            answer = await self._client.request(method, path, json=body)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            if self._model:
                raise EngineDeadError(f"The PRM's server at {self._url} is gone: {sentence(error)}") from error
            raise PRMError(
                f"There is no server at {self._url}: {sentence(error)}", f"Check prm_url, or start one: {START}"
            ) from error
        except httpx.TimeoutException as error:
            raise PRMError(f"The server at {self._url} did not answer within {ANSWER_SECONDS:g} seconds.") from error
        except httpx.HTTPError as error:
            raise PRMError(f"The server at {self._url} broke off: {sentence(error)}") from error
        if answer.status_code in (401, 403):
            raise PRMError(f"The server at {self._url} wants a key.", f"Put it into the variable {API_KEY}.")
        if answer.is_error:
            raise PRMError(f"The server at {self._url} answered {answer.status_code} to {path}: {_complaint(answer)}")
        try:
            return answer.json()
        except ValueError:
            raise PRMError(f"What the server at {self._url} answered to {path} is no JSON.") from None


def _complaint(answer: httpx.Response) -> str:
    """The server's own words, as one sentence."""
    try:
        told = answer.json()
        told = told.get("error", told)
        text = str(told.get("message") or told)
    except (ValueError, AttributeError):
        text = answer.text or answer.reason_phrase
    return sentence(text)
