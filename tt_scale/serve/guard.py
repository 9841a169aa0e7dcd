"""What every request passes before an endpoint sees it: a bearer token, and a limit to its body."""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from tt_scale.serve.faults import RequestError, fault_of
from tt_scale.serve.settings import ServeSettings

__all__ = ["Guard"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN = frozenset({"/health"})
"""What load balancers ask without a token."""


class Guard:
    """Refuses requests without a token, and bodies that are too large, however they announce themselves.

    An error that nobody expected becomes a response in the form of all others, and is counted.

    Args:
        app: behind it.
        settings: tokens and the limit.
        answered: called with the path and the status of each response.
    """

    def __init__(self, app: App, settings: ServeSettings, answered: Callable[[str, int], None]) -> None:
        self._app = app
        self._tokens = [token.encode() for token in settings.tokens]
        self._max_body = settings.max_body
        self._answered = answered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])

        bounded, begun = _Bounded(receive, self._max_body), False

        async def counted(message: MutableMapping[str, Any]) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                self._answered(_known(scope), message["status"])
            await send(message)

        async def unless_too_large(message: MutableMapping[str, Any]) -> None:
            if bounded.error is None:
                await counted(message)

        error = self._fault(scope["path"], headers)
        if error is None:
            try:
                await self._app(scope, bounded, unless_too_large)
            except Exception as fault:
                if begun:
                    raise
                error = fault_of(fault)
            error = bounded.error or error  # whatever the application made of it
        if error is not None:
            await _refuse(error, counted)

    def _fault(self, path: str, headers: dict[bytes, bytes]) -> RequestError | None:
        if self._tokens and path not in OPEN and not self._allowed(headers.get(b"authorization", b"")):
            told = "Incorrect API key." if headers.get(b"authorization") else "No API key."
            return RequestError(401, f"{told} Send: Authorization: Bearer TOKEN", "invalid_api_key")
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > self._max_body:
            return too_large(self._max_body, int(length))
        return None

    def _allowed(self, header: bytes) -> bool:
        scheme, _, token = header.partition(b" ")
        matches = [hmac.compare_digest(token.strip(), each) for each in self._tokens]  # all, so that none is faster
        return scheme.lower() == b"bearer" and any(matches)


class _Bounded:
    """Receives a body up to a limit, for clients that do not say how long it is."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self.error: RequestError | None = None
        self._receive = receive
        self._limit = limit
        self._seen = 0

    async def __call__(self) -> MutableMapping[str, Any]:
        message = await self._receive()
        self._seen += len(message.get("body", b""))
        if self._seen > self._limit:
            self.error = too_large(self._limit, self._seen)
            raise self.error
        return message


def too_large(limit: int, size: int) -> RequestError:
    """Make the error for a body above the limit."""
    return RequestError(413, f"The body has {size:,} bytes or more; at most {limit:,} are taken.", "body_too_large")


def _known(scope: Scope) -> str:
    """The path of an endpoint, or one word for all others: whoever asks for many must not fill the memory."""
    route = scope.get("route")
    return getattr(route, "path", "unknown") if route is not None else "unknown"


async def _refuse(error: RequestError, send: Send) -> None:
    body = json.dumps(error.body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(key.lower().encode(), value.encode()) for key, value in error.headers.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
