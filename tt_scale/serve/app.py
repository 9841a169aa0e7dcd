"""The endpoints."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncGenerator
from typing import Any, Protocol

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.requests import Request as HTTPRequest
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from tt_scale._version import __version__
from tt_scale.core.solution import Solution
from tt_scale.serve.answers import choices, details, usage
from tt_scale.serve.body_faults import body_fault, unread_body
from tt_scale.serve.connection import ClientGoneError, while_connected
from tt_scale.serve.event_stream import events
from tt_scale.serve.faults import RequestError, error_body
from tt_scale.serve.guard import Guard
from tt_scale.serve.schema import (
    ChatRequest,
    ChatResponse,
    CompletionRequest,
    CompletionResponse,
    ErrorResponse,
    ModelList,
    Request,
)
from tt_scale.serve.service import Search, Service
from tt_scale.serve.virtual_models import find_model

__all__ = ["make_app"]

REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorResponse, "description": "The request cannot be searched; the message says why."},
    401: {"model": ErrorResponse, "description": "No token, or a wrong one."},
    413: {"model": ErrorResponse, "description": "The body is too large."},
    429: {"model": ErrorResponse, "description": "Too many wait, or it waited too long; Retry-After says how long to."},
    500: {"model": ErrorResponse, "description": "The search failed."},
    503: {"model": ErrorResponse, "description": "The models are gone and are loaded again."},
}
NO_MODEL: dict[str, Any] = {"model": ErrorResponse, "description": "There is no such model."}
CLIENT_GONE = 499
"""What servers write down for a client that did not wait; nobody receives it."""


class Replicas(Protocol):
    """What the endpoints ask where a server has several replicas."""

    async def health(self) -> dict[str, Any]:
        """State of the server: "status", and the number of replicas in each state."""

    async def metrics(self) -> bytes:
        """Metrics of all replicas in Prometheus's format."""


def make_app(service: Service, replicas: Replicas | None = None) -> FastAPI:
    """Make the application of a service that is open.

    Args:
        service: answers requests.
        replicas: all of a server, this service among them; None if it is the only one.
    """
    app = FastAPI(title="tt_scale", version=__version__, docs_url=None, redoc_url=None)
    _add_models(app, service)
    _add_completions(app, service)
    _add_state(app, service, replicas)
    app.add_exception_handler(RequestError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _unknown)
    app.add_middleware(Guard, settings=service.settings, answered=service.metrics.answered)
    return app


def _add_completions(app: FastAPI, service: Service) -> None:
    streamed = {"content": {"text/event-stream": {}}, "description": "The paths of a search; with stream, as events."}

    @app.post("/v1/chat/completions", response_model=ChatResponse, responses={**REFUSALS, 200: streamed})
    async def chat(body: ChatRequest, request: HTTPRequest) -> Response:
        """Search for the answer to a conversation's last message."""
        return await _answer(service, body, request, chat=True)

    @app.post("/v1/completions", response_model=CompletionResponse, responses={**REFUSALS, 200: streamed})
    async def completions(body: CompletionRequest, request: HTTPRequest) -> Response:
        """Search for the continuation of a prompt."""
        return await _answer(service, body, request, chat=False)


def _add_models(app: FastAPI, service: Service) -> None:
    def entry(name: str) -> dict[str, Any]:
        model = find_model(service.models, name, 404)
        told = {"created": service.started, "owned_by": "tt_scale", "description": model.description}
        return {"id": name, "object": "model", **told}

    @app.get("/v1/models", response_model=ModelList, responses={401: REFUSALS[401]})
    async def models() -> dict[str, Any]:
        """List methods and recipes that run on the loaded models."""
        return {"object": "list", "data": [entry(name) for name in service.models]}

    @app.get("/v1/models/{name}", responses={401: REFUSALS[401], 404: NO_MODEL})
    async def model(name: str) -> dict[str, Any]:
        """Describe one of them."""
        return entry(name)


def _add_state(app: FastAPI, service: Service, replicas: Replicas | None) -> None:
    @app.get("/health", responses={503: {"description": "The models are gone and are loaded again."}})
    async def health() -> JSONResponse:
        """Say whether requests are answered now; models that died unnoticed are loaded again."""
        service.reopen()
        told = await replicas.health() if replicas else {"status": service.state}
        return JSONResponse(told, 200 if told["status"] == "ok" else 503)

    @app.get("/metrics", response_class=PlainTextResponse, responses={401: REFUSALS[401]})
    async def metrics() -> PlainTextResponse:
        """Count requests, searches and tokens, for Prometheus."""
        text = await replicas.metrics() if replicas else service.metrics.text()
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4; charset=utf-8")


async def _answer(service: Service, body: Request, request: HTTPRequest, *, chat: bool) -> Response:
    search = await service.read(body)
    head = {"id": f"{'chatcmpl' if chat else 'cmpl'}-{uuid.uuid4().hex}", "created": int(time.time())}
    head["model"] = body.model
    try:
        if body.stream:
            head["object"] = "chat.completion.chunk" if chat else "text_completion"
            with_usage = bool(body.stream_options and body.stream_options.include_usage)
            lines = events(service.stream(search), search, head, chat=chat, with_usage=with_usage)
            first = await while_connected(_first(lines), request.receive)
            return _Events(first, lines, service)
        head["object"] = "chat.completion" if chat else "text_completion"
        solution = await while_connected(service.solve(search), request.receive)
    except ClientGoneError:
        service.metrics.cancelled()
        return Response(status_code=CLIENT_GONE)
    return JSONResponse({**head, **_whole(search, solution, chat=chat)})


def _whole(search: Search, solution: Solution, *, chat: bool) -> dict[str, Any]:
    wanted = search.wanted
    shown = []
    for index, choice in enumerate(choices(solution, wanted.count, wanted.stop)):
        text = {"message": {"role": "assistant", "content": choice.text}} if chat else {"text": choice.text}
        end = {"finish_reason": choice.finish_reason, "logprobs": None, "tt_scale": choice.extension}
        shown.append({"index": index, **text, **end})
    told = details(solution, search.asked.config.method, wanted.not_followed)
    return {"choices": shown, "usage": usage(solution), "tt_scale": told}


async def _first(lines: AsyncGenerator[str, None]) -> str:
    return await anext(lines)


class _Events(Response):
    """Sends events until they end or the client goes away."""

    media_type = "text/event-stream"

    def __init__(self, first: str, lines: AsyncGenerator[str, None], service: Service) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._first = first
        self._lines = lines
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await while_connected(self._sent(send), receive)
        except ClientGoneError:
            self._service.metrics.cancelled()
        finally:
            await self._lines.aclose()

    async def _sent(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self._first.encode(), "more_body": True})
        async for line in self._lines:
            await send({"type": "http.response.body", "body": line.encode(), "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _refused(request: HTTPRequest, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return JSONResponse(error.body, error.status, error.headers)


async def _invalid(request: HTTPRequest, error: Exception) -> Response:
    """Say the first fault of a body as one sentence."""
    assert isinstance(error, RequestValidationError)
    fault = body_fault(error.errors(), error.body, request.headers.get("content-type", ""))
    return JSONResponse(fault.body, fault.status)


async def _unknown(request: HTTPRequest, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 400:  # all that FastAPI itself answers with it
        fault = unread_body(error.__cause__)
        return JSONResponse(fault.body, fault.status)
    message = f"{request.method} {request.url.path}: {error.detail}."
    return JSONResponse(error_body(error.status_code, message, "http_error"), error.status_code, error.headers)
