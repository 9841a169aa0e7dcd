"""HTTP client of one vLLM server, for routes outside OpenAI's API and without OpenAI's client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tt_scale.engines.endpoints.bounded_answers import MOST_BYTES, bounded_answers
from tt_scale.engines.endpoints.faults import Kind, RequestFault, fault_of_status, object_in
from tt_scale.engines.endpoints.openai_client import Body, Route, models_in
from tt_scale.engines.load_errors import sentence
from tt_scale.errors import MissingExtraError

if TYPE_CHECKING:
    import httpx

__all__ = ["HttpEndpoint", "require_httpx"]

CONNECT_SECONDS = 5.0


def require_httpx(purpose: str) -> None:
    """Import httpx.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import httpx  # noqa: F401
    except ImportError:
        raise MissingExtraError("httpx", "http", purpose) from None


class HttpEndpoint:
    """A client of one server.

    Args:
        url: address of the server, with or without `/v1`.
        key: API key; None for none.
        seconds: timeout of a request.
    """

    def __init__(self, url: str, key: str | None, seconds: float) -> None:
        import httpx

        self.url = url.removesuffix("/v1")
        self._key = key
        self._client: httpx.AsyncClient = httpx.AsyncClient(
            base_url=self.url,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS), pool=None),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=64),
            event_hooks=bounded_answers(),
        )

    async def close(self) -> None:
        """Close the connections; a second call does nothing."""
        await self._client.aclose()

    async def models(self) -> list[Mapping[str, Any]]:
        """List the models that the server serves.

        Raises:
            RequestFault: the server cannot be reached, or does not list its models.
        """
        return models_in(await self._request("GET", "/v1/models"))

    async def ask(self, route: Route, body: Body) -> Mapping[str, Any]:
        """Send a request of OpenAI's API and return the response; errors as for `post`."""
        return await self._request("POST", f"/v1{route}", body)

    async def post(self, path: str, body: Body, most_bytes: int | None = None) -> Mapping[str, Any]:
        """Send a request to any path of the server and return the response.

        Args:
            path: path, with a leading slash.
            body: body of the request.
            most_bytes: maximum size of the response; None means `LARGEST_ANSWER`.

        Raises:
            RequestFault: it failed, or its answer is not as it should be.
        """
        return await self._request("POST", path, body, most_bytes)

    async def _request(
        self, method: str, path: str, body: Body | None = None, most_bytes: int | None = None
    ) -> Mapping[str, Any]:
        import httpx

        extensions = {} if most_bytes is None else {MOST_BYTES: most_bytes}
        try:
            answer = await self._client.request(method, path, json=body, extensions=extensions)
        except httpx.TimeoutException as error:
            kind: Kind = "connection" if isinstance(error, httpx.ConnectTimeout) else "timeout"
            raise RequestFault(kind, f"{self.url} gave no answer to {path} in time.", self.url) from None
        except httpx.HTTPError as error:
            reason = sentence(str(error) or type(error).__name__)
            raise RequestFault("connection", f"{self.url} cannot be reached: {reason}", self.url) from None
        except (OSError, ValueError, OverflowError, httpx.InvalidURL) as error:  # of what is no name of a server
            raise RequestFault("refused", f"{self.url} is not an address: {sentence(error)}", self.url) from None
        asked = f"{method} {path}"
        if not answer.is_success:
            raise fault_of_status(answer.status_code, answer.headers, answer.content, self.url, asked, self._key)
        return object_in(answer.content, self.url, asked, self._key)
