"""Clients of servers that misbehave in every way: each ends in one line, soon, or is tried again."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tt_scale.config import Config
from tt_scale.engines.endpoints.addresses import api_key
from tt_scale.engines.endpoints.bounded_answers import bounded_answers
from tt_scale.engines.endpoints.faults import RequestFault
from tt_scale.engines.endpoints.http_client import HttpEndpoint
from tt_scale.engines.endpoints.openai_client import Endpoint
from tt_scale.engines.endpoints.retries import OVERLOAD_FACTOR, RetryPolicy
from tt_scale.engines.endpoints.routing import Server as Routed
from tt_scale.engines.endpoints.routing import Servers
from tt_scale.errors import ConfigError

pytest.importorskip("httpx")

SECONDS = 2.0
LARGEST = 10_000
RETRIES = 2
KEY = "sk-planted-key-123456"
CLIENTS = ["http", pytest.param("openai", marks=pytest.mark.hf)]

Behaviour = Callable[[asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tt_scale.engines.endpoints.retries.FIRST_WAIT", 0.01)
    monkeypatch.setattr("tt_scale.engines.endpoints.retries.MOST_ASKED_WAIT", 0.05)
    for client in ("http_client", "openai_client"):
        monkeypatch.setattr(f"tt_scale.engines.endpoints.{client}.bounded_answers", lambda: bounded_answers(LARGEST))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def answer(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(head).encode() + body


def says(*pieces: bytes, pause: float = 0.0) -> Behaviour:
    async def behave(writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    return behave


async def is_silent(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


async def drips(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not writer.is_closing():
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.05)


async def promises_for_ever(writer: asyncio.StreamWriter) -> None:
    while not writer.is_closing():
        writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.01)


async def never_ends(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"400\r\n" + b"[" * 1024 + b"\r\n")
        await writer.drain()


@dataclass
class Server:
    """Answers connections one after the other as it is told; the last behaviour stays."""

    behaviours: list[Behaviour]
    asked: list[float] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            size = next((int(line.split(":")[1]) for line in head.splitlines() if "content-length" in line.lower()), 0)
            await reader.readexactly(size)
            self.asked.append(time.monotonic())
            behave = self.behaviours.pop(0) if len(self.behaviours) > 1 else self.behaviours[0]
            await behave(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(*behaviours: Behaviour) -> AsyncIterator[Server]:
    told = Server(list(behaviours))
    listening = await asyncio.start_server(told.serve, "127.0.0.1", 0)
    told.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield told
    finally:
        listening.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)


async def ask(server: Server, client: str = "http", key: str | None = None, seconds: float = SECONDS) -> Any:
    if client == "openai":
        pytest.importorskip("openai")
    endpoint: Any = HttpEndpoint(server.url, key, 60.0) if client == "http" else Endpoint(server.url, key, 60.0)
    servers = Servers([Routed(server.url, endpoint)], RetryPolicy(RETRIES), seconds, type(endpoint).models)
    try:
        return await servers.ask(lambda each: each.ask("/completions", {"model": "m", "prompt": [1, 2]}))
    finally:
        await servers.close()
        await endpoint.close()


BOMB = gzip.compress(b"[" * 50_000_000)
GZIP = "Content-Encoding: gzip"
NESTED = answer(gzip.compress(gzip.compress(b"[]")), "200 OK", "Content-Encoding: gzip, gzip")
SEES = [
    ("HTML", says(answer(b"<html><body>Bad gateway</body></html>")), "damaged", "not JSON; it begins with '<html>"),
    ("an empty body", says(answer(b"")), "damaged", "not JSON"),
    ("a list", says(answer(b"[]")), "damaged", "not a JSON object"),
    ("a text", says(answer(b'"no"')), "damaged", "not a JSON object"),
    ("deep JSON", says(answer(b"[" * 9000)), "damaged", "nested too deeply"),
    ("a huge number", says(answer(b"9" * 9000)), "damaged", "4,300 digits"),
    ("no UTF-8", says(answer(b'["\xff\xfe"]')), "damaged", "not valid UTF-8"),
    ("no HTTP", says(b"SSH-2.0-OpenSSH_9.2\r\n"), "connection", "http://127"),
    ("a negative length", says(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}"), "connection", "http://127"),
    (
        "two lengths",
        says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
        "connection",
        "http://127",
    ),
    ("a dropped body", says(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n[1,"), "connection", "http://127"),
    ("a dropped connection", says(), "connection", "http://127"),
    ("a body without an end", never_ends, "refused", "larger than 10,000 bytes"),
    ("a body that is too large", says(answer(b" " * 10_001)), "refused", "larger than 10,000 bytes"),
    ("a bomb", says(answer(BOMB, "200 OK", GZIP)), "refused", "larger than 10,000 bytes"),
    ("a packed packet", says(NESTED), "refused", "'gzip, gzip', which was not requested"),
    ("a packing", says(answer(b"{}", "200 OK", "Content-Encoding: br")), "refused", "'br', which was not requested"),
    ("damage", says(answer(b"\x1f\x8bno", "200 OK", GZIP)), "damaged", "cannot be decompressed"),
    ("half", says(answer(gzip.compress(b"{}")[:-9], "200 OK", GZIP)), "damaged", "ends too early"),
    ("a fault", says(answer(b'{"error": "no\\n\x1b[2Jroom"}', "500 Oops")), "server", "answered 500 to "),
    ("a long fault", says(answer(b"x" * 9000, "400 Bad Request")), "refused", "answered 400 to .*x{290}"),
    ("odd faults", says(answer(b'{"error": [[{}]], "message": 5}', "422 Odd")), "refused", "answered 422"),
    ("deep faults", says(answer(b"[" * 9000, "422 Odd")), "refused", "answered 422"),
    ("a fault as a success", says(answer(b'{"error": {"message": "out of luck"}}')), "server", "out of luck"),
    ("no key", says(answer(b"", "401 Unauthorized")), "key", "answered 401"),
]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(("behave", "kind", "told"), [row[1:] for row in SEES], ids=[row[0] for row in SEES])
async def test_what_a_server_can_do(client: str, behave: Behaviour, kind: str, told: str) -> None:
    """Each was a traceback, a hang, or gigabytes of memory at some client."""
    async with serving(behave) as server:
        with pytest.raises(RequestFault, match=told) as fault:
            await asyncio.wait_for(ask(server, client), 30)
    assert fault.value.kind == kind
    assert len(str(fault.value)) < 600
    assert str(fault.value).isprintable()
    assert len(server.asked) == (RETRIES + 1 if fault.value.retryable else 1)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("behave", [is_silent, drips, promises_for_ever], ids=["silence", "drips", "promises"])
async def test_a_server_that_never_comes_to_an_end(client: str, behave: Behaviour, monkeypatch: Any) -> None:
    """A limit on the time between two bytes is no limit: a byte now and then held a search for ever."""
    monkeypatch.setattr("test_misbehaving_servers.RETRIES", 0)
    async with serving(behave) as server:
        with pytest.raises(RequestFault, match="no answer within 1 seconds") as fault:
            await asyncio.wait_for(ask(server, client, seconds=1.0), 20)
    assert fault.value.kind == "timeout"


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("packing", ["", "gzip", "deflate", "identity"])
async def test_honest_answers_are_read(client: str, packing: str) -> None:
    """A proxy may pack what nobody asked it to pack."""
    body = {"gzip": gzip.compress, "deflate": zlib.compress}.get(packing, bytes)(b'{"data": [1.5, null]}')
    kind = "Content-Type: application/json"
    async with serving(says(answer(body, "200 OK", f"Content-Encoding: {packing}", kind))) as server:
        assert await ask(server, client) == {"data": [1.5, None]}
    assert "accept-encoding: identity" in server.heads[0].lower()


@pytest.mark.parametrize("client", CLIENTS)
async def test_streams_are_bounded_too(client: str) -> None:
    """A server that never stops writing must not fill the memory of a search."""
    if client == "http":
        pytest.skip("it does not stream")
    pytest.importorskip("openai")

    async def writes_on(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        event = b'data: {"choices": [{"text": "x"}]}\n\n'
        while not writer.is_closing():
            writer.write(f"{len(event):x}".encode() + b"\r\n" + event + b"\r\n")
            await writer.drain()

    async with serving(writes_on) as server:
        endpoint = Endpoint(server.url, None, 60.0)
        with pytest.raises(RequestFault, match="larger than 10,000 bytes"):
            async with endpoint.stream("/completions", {"model": "m", "prompt": "x"}) as chunks:
                assert len([chunk async for chunk in chunks]) < 1000
        await endpoint.close()


@pytest.mark.parametrize("status", [429, 503])
async def test_a_busy_server_is_asked_again(status: int) -> None:
    """Overload passes; a problem that fails for it is a wrong number in a table."""
    busy = says(answer(b"wait", f"{status} Busy", "Retry-After: 1"))
    async with serving(busy, busy, says(answer(b"{}"))) as server:
        assert await ask(server, seconds=20.0) == {}
        assert len(server.asked) == 3
    async with serving(says(answer(b"wait", f"{status} Busy"))) as server:
        with pytest.raises(RequestFault, match=rf"answered {status} to POST /v1/completions: wait\.$") as fault:
            await ask(server)
    assert (fault.value.kind, len(server.asked)) == ("load", RETRIES * OVERLOAD_FACTOR + 1)


async def test_a_dropped_request_is_sent_again() -> None:
    """A server that restarts closes connections in mid-answer."""
    async with serving(says(b"HTTP/1.1 200 OK\r\nContent-Le"), says(), says(answer(b"{}"))) as server:
        assert await ask(server) == {}


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_redirection_is_no_answer(client: str) -> None:
    """Its page is not JSON, and what it leads to is not the server that was asked."""
    async with serving(says(answer(b"", "302 Found", "Location: http://127.0.0.1:9/"))) as server:
        with pytest.raises(RequestFault, match="answered 302"):
            await ask(server, client)


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_key_is_sent_and_never_shown(client: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers repeat keys that they refuse, and messages end in run folders."""
    said = json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}"}}).encode()
    for status in ("400 Bad Request", "401 Unauthorized", "200 OK"):
        async with serving(says(answer(said, status))) as server:
            with pytest.raises(RequestFault) as fault:
                await ask(server, client, KEY)
        assert f"authorization: bearer {KEY}" in server.heads[0].lower()
        assert KEY not in str(fault.value)
    for broken in ("sk-a\nb", "sk-\xe4", "sk-\x1b"):
        monkeypatch.setenv("SOME_KEY", broken)
        with pytest.raises(ConfigError, match="SOME_KEY contains a line break or another") as refused:
            api_key(("SOME_KEY",))
        assert broken not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["http://a:99999999", "http://[::1", "http://" + "a" * 70_000, "http://a..b", "http://a:b", "http://\ud800"]
)
def test_what_is_no_address(url: str) -> None:
    """Each ended in an error of urllib's, httpx's or the resolver's once a request was sent."""
    with pytest.raises(ConfigError) as refused:
        Config(prm_url=url)
    assert len(str(refused.value)) < 400


async def test_what_cannot_be_a_name_is_refused_once() -> None:
    """The resolver has errors of its own for these, which are none of httpx's."""
    endpoint = HttpEndpoint("http://" + "a" * 300, None, 5.0)
    with pytest.raises(RequestFault):
        await endpoint.models()
    await endpoint.close()
