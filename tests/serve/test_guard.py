"""What is refused before an endpoint sees it, whatever the application does."""

from __future__ import annotations

import json
from collections.abc import MutableMapping
from typing import Any

import pytest

pytest.importorskip("fastapi")

from tt_scale.serve.guard import App, Guard, Receive, Send
from tt_scale.serve.settings import ServeSettings

Messages = list[MutableMapping[str, Any]]


async def reads(scope: Any, receive: Receive, send: Send) -> None:
    """Reads the whole body and answers 200."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"read"})


async def swallows(scope: Any, receive: Receive, send: Send) -> None:
    """Answers 200 whatever happens while it reads, as a framework may."""
    try:
        await reads(scope, receive, send)
    except Exception:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"swallowed"})


async def fails(scope: Any, receive: Receive, send: Send) -> None:
    raise RuntimeError("secret of the house")


async def answered(
    app: App, settings: ServeSettings, *, path: str = "/v1/models", body: tuple[bytes, ...] = (b"",), **headers: str
) -> tuple[int, str, list[tuple[str, int]]]:
    """Status, body, and what was counted."""
    sent: Messages = []
    counted: list[tuple[str, int]] = []
    chunks = list(body)

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": chunks.pop(0), "more_body": bool(chunks)}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    encoded = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    guard = Guard(app, settings, lambda path, status: counted.append((path, status)))
    await guard({"type": "http", "path": path, "headers": encoded}, receive, send)
    text = b"".join([message.get("body", b"") for message in sent]).decode()
    return sent[0]["status"], text, counted


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Bearer two", 200),
        ("bearer  one", 200),
        ("Bearer ", 401),
        ("Bearer onetwo", 401),
        ("Basic one", 401),
        ("one", 401),
    ],
)
async def test_tokens(header: str, status: int) -> None:
    found, text, counted = await answered(reads, ServeSettings(tokens=("one", "two")), authorization=header)
    assert found == status
    assert counted == [("unknown", status)]
    assert status == 200 or json.loads(text)["error"]["code"] == "invalid_api_key"


async def test_only_health_needs_no_token() -> None:
    settings = ServeSettings(tokens=("one",))
    assert (await answered(reads, settings, path="/health"))[0] == 200
    for path in ("/metrics", "/health/", "/v1/models", "/"):
        status, text, _ = await answered(reads, settings, path=path)
        assert (status, json.loads(text)["error"]["message"][:11]) == (401, "No API key.")


@pytest.mark.parametrize("app", [reads, swallows])
async def test_a_body_that_grows_too_large_is_refused_whatever_the_application_makes_of_it(app: App) -> None:
    settings = ServeSettings(max_body=10)
    assert (await answered(app, settings, body=(b"12345", b"67890")))[0] == 200
    status, text, counted = await answered(app, settings, body=(b"123456", b"67890"))
    assert (status, counted) == (413, [("unknown", 413)])
    assert "11 bytes or more; at most 10" in json.loads(text)["error"]["message"]


async def test_a_body_that_says_that_it_is_too_large_is_not_read() -> None:
    status, text, _ = await answered(reads, ServeSettings(max_body=10), body=(), content_length="999")
    assert status == 413
    assert "999 bytes" in text


async def test_an_unexpected_error_has_the_form_of_all() -> None:
    status, text, counted = await answered(fails, ServeSettings())
    assert (status, json.loads(text)["error"]["code"]) == (500, "internal_error")
    assert "secret" not in text
    assert counted == [("unknown", 500)]
