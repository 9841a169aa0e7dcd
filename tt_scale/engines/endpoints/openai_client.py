"""Client of one OpenAI-compatible server, on top of the official client; failures are `RequestFault`s.

The client's own retries are disabled, since a retry may go to another server. Responses are read as plain JSON, since
servers add fields to OpenAI's API that are needed here.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Literal, Protocol

from tt_scale.engines.endpoints.addresses import api_root, without_key
from tt_scale.engines.endpoints.bounded_answers import bounded_answers
from tt_scale.engines.endpoints.faults import RequestFault, fault_of_status, object_in
from tt_scale.engines.load_errors import sentence
from tt_scale.errors import MissingExtraError

if TYPE_CHECKING:
    from openai import AsyncOpenAI

__all__ = ["Asks", "Body", "Endpoint", "Route", "models_in", "require_openai"]

Body = Mapping[str, Any]
Route = Literal["/completions", "/chat/completions"]

CONNECT_SECONDS = 10.0

NO_KEY = "none"
"""Placeholder for a missing API key, which the official client requires."""


class Asks(Protocol):
    """A client that can send completion requests."""

    url: str

    async def ask(self, route: Route, body: Body) -> Mapping[str, Any]:
        """Send a request and return the response."""


def models_in(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The models in a response to GET /models, each with its name as `id`; empty if it lists none."""
    found = answer.get("data")
    models = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    return [each for each in models if isinstance(each.get("id"), str)]


def require_openai(purpose: str) -> None:
    """Import the client.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import openai  # noqa: F401
    except ImportError:
        raise MissingExtraError("openai", "openai", purpose) from None


class Endpoint:
    """A client of one server.

    Args:
        url: configured address; `/v1` is added to one without a path.
        key: API key; None for none.
        seconds: timeout of a request.
    """

    def __init__(self, url: str, key: str | None, seconds: float) -> None:
        from openai import AsyncOpenAI, DefaultAsyncHttpxClient, Timeout

        self.url = url
        self.seconds = seconds
        self._key = key
        self._client: AsyncOpenAI = AsyncOpenAI(
            base_url=api_root(url),
            api_key=key or NO_KEY,
            timeout=Timeout(seconds, connect=min(seconds, CONNECT_SECONDS)),
            max_retries=0,
            http_client=DefaultAsyncHttpxClient(event_hooks=bounded_answers(), follow_redirects=False),
        )

    async def close(self) -> None:
        """Close the connections; a second call does nothing."""
        await self._client.close()

    async def models(self) -> list[Mapping[str, Any]]:
        """List the models that the server serves.

        Raises:
            RequestFault: the server cannot be reached, or does not list its models.
        """
        with self._faults("GET /models"):
            raw = await self._client.models.with_raw_response.list()
            return models_in(object_in(raw.http_response.content, self.url, "GET /models", self._key))

    async def ask(self, route: Route, body: Body) -> Mapping[str, Any]:
        """Send a request and return the response.

        Raises:
            RequestFault: it failed.
        """
        with self._faults(f"POST {route}"):
            raw = await self._create(route, body, raw=True)
            return object_in(raw.http_response.content, self.url, f"POST {route}", self._key)

    @asynccontextmanager
    async def stream(self, route: Route, body: Body) -> AsyncIterator[AsyncIterator[Mapping[str, Any]]]:
        """Send a request and stream the response; leaving the context aborts the request on the server.

        Raises:
            RequestFault: it failed, at once or while streaming.
        """
        with self._faults(f"POST {route}"):
            stream = await self._create(route, {**body, "stream": True}, raw=False)
            try:
                yield self._chunks(stream, route)
            finally:
                await stream.close()

    async def _chunks(self, stream: Any, route: Route) -> AsyncIterator[Mapping[str, Any]]:
        with self._faults(f"POST {route}"):
            async for chunk in stream:
                yield chunk.model_dump()

    async def _create(self, route: Route, body: Body, *, raw: bool) -> Any:
        """Call the official client; fields outside OpenAI's API are passed as `extra_body`."""
        resource: Any = self._client.completions if route == "/completions" else self._client.chat.completions
        own = {"model", "stream", "prompt" if route == "/completions" else "messages"}
        named = {key: value for key, value in body.items() if key in own}
        others = {key: value for key, value in body.items() if key not in own}
        return await (resource.with_raw_response if raw else resource).create(**named, extra_body=others)

    @contextmanager
    def _faults(self, asked: str) -> Iterator[None]:
        """Turn errors of the official client into faults."""
        import openai

        try:
            yield
        except RequestFault:
            raise
        except openai.APITimeoutError:
            raise RequestFault("timeout", f"{self.url} gave no answer to {asked} in time.", self.url) from None
        except openai.APIConnectionError as error:
            if isinstance(error.__cause__, RequestFault):
                raise error.__cause__ from None
            reason = sentence(str(error.__cause__ or error) or type(error.__cause__ or error).__name__)
            raise RequestFault("connection", f"{self.url} cannot be reached: {reason}", self.url) from None
        except openai.APIStatusError as error:
            answer = error.response
            raise fault_of_status(
                answer.status_code, answer.headers, _content(error), self.url, asked, self._key
            ) from None
        except (openai.APIError, json.JSONDecodeError) as error:  # a broken event of a stream, or one with an error
            reason = without_key(sentence(error), self._key)
            raise RequestFault("damaged", f"{self.url} broke off its response to {asked}: {reason}", self.url) from None
        except Exception as error:
            if not type(error).__module__.partition(".")[0].startswith(("httpx", "httpcore", "h11", "anyio")):
                raise
            reason = sentence(str(error) or type(error).__name__)  # the client does not wrap errors within a stream
            message = f"{self.url} broke off its response to {asked}: {reason}"
            raise RequestFault("connection", message, self.url) from None


def _content(error: Any) -> bytes:
    """Body of an error response; that of a stream was already read by the client."""
    body = error.body
    return error.response.content if body is None else json.dumps(body).encode()
