"""Which server a request goes to, and what happens when one fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from random import Random

import pytest

from tt_scale.engines.endpoints import routing
from tt_scale.engines.endpoints.faults import RequestFault
from tt_scale.engines.endpoints.retries import RetryPolicy
from tt_scale.engines.endpoints.routing import Server, Servers


class Client:
    """Answers with its name, or fails."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.faults: list[RequestFault] = []
        self.asked = 0
        self.checks = 0
        self.gate: asyncio.Event | None = None

    async def answer(self) -> str:
        self.asked += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.faults:
            raise self.faults.pop(0)
        return self.name

    async def check(self) -> None:
        self.checks += 1
        if self.faults:
            raise self.faults[0]


def fleet(*names: str, most: int = 5, seconds: float = 5) -> tuple[Servers[Client], list[Client]]:
    clients = [Client(name) for name in names]
    servers = [Server(f"http://{client.name}", client) for client in clients]
    return Servers(servers, RetryPolicy(most, Random(1)), seconds, Client.check), clients


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tt_scale.engines.endpoints.retries.FIRST_WAIT", 0.001)


def ask(client: Client) -> Awaitable[str]:
    return client.answer()


async def test_the_least_busy_one_is_asked() -> None:
    servers, (a, _) = fleet("a", "b")
    a.gate = asyncio.Event()
    waiting = [asyncio.ensure_future(servers.ask(ask)) for _ in range(routing.HOME_ADVANTAGE + 1)]
    await asyncio.sleep(0.01)
    assert a.asked == len(waiting)
    assert await servers.ask(ask) == "b"
    a.gate.set()
    assert await asyncio.gather(*waiting) == ["a"] * len(waiting)


async def test_a_prompt_stays_with_its_server() -> None:
    """The cache of another one has none of its beginning."""
    servers, _ = fleet("a", "b", "c")
    assert [await servers.ask(ask, place) for place in (0, 1, 2, 5, -1)] == ["a", "b", "c", "c", "c"]


async def test_another_server_takes_over_at_once() -> None:
    servers, (a, b) = fleet("a", "b")
    a.faults = [RequestFault("connection", "x")]
    assert await servers.ask(ask) == "b"
    assert (a.asked, b.asked) == (1, 1)


async def test_a_server_that_is_down_is_left_out_until_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "FIRST_CHECK", 0.02)
    servers, (a, _) = fleet("a", "b")
    a.faults = [RequestFault("connection", "x")] * 50
    for _ in range(5):
        assert await servers.ask(ask) == "b"
    assert a.asked == routing.FAILURES_UNTIL_DOWN
    assert servers.servers[0].is_down
    assert not await servers.are_gone()
    a.faults = []
    await asyncio.sleep(1.1)
    await servers.ask(ask)  # begins the check
    await asyncio.sleep(0.01)
    assert a.checks == 1
    assert await servers.ask(ask) == "a"
    await servers.close()


async def test_a_request_at_fault_is_sent_once() -> None:
    servers, (a, b) = fleet("a", "b")
    a.faults = [RequestFault("refused", "too long")]
    with pytest.raises(RequestFault, match="too long"):
        await servers.ask(ask)
    assert (a.asked, b.asked, servers.servers[0].failures) == (1, 0, 0)


async def test_the_last_fault_is_told() -> None:
    servers, (a,) = fleet("a", most=3)
    a.faults = [RequestFault("server", str(number)) for number in range(9)]
    with pytest.raises(RequestFault, match="3"):
        await servers.ask(ask)
    assert a.asked == 4
    assert await servers.are_gone()
    a.faults = []
    assert not await servers.are_gone()


async def test_a_busy_server_is_left_alone_for_as_long_as_it_says() -> None:
    """All requests wait for it, not only the one that was refused."""
    servers, (a, b) = fleet("a", "b")
    a.faults = [RequestFault("load", "busy", wait=1.0)]
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert await servers.ask(ask) == "b"
    assert await servers.ask(ask) == "b"
    assert loop.time() - began < 0.9
    assert not servers.servers[0].is_down
    b.faults = [RequestFault("load", "busy", wait=1.0)]
    assert await servers.ask(ask, 1) in ("a", "b")
    assert loop.time() - began >= 0.9


async def test_an_answer_that_takes_too_long() -> None:
    servers, (a, b) = fleet("a", "b", seconds=0.05)
    a.gate = asyncio.Event()
    assert await servers.ask(ask) == "b"
    b.gate = asyncio.Event()
    with pytest.raises(RequestFault, match=r"http://. gave no answer within 0.05 seconds"):
        await servers.ask(ask)


async def test_cancelling_frees_the_place() -> None:
    servers, (a,) = fleet("a")
    a.gate = asyncio.Event()
    waiting = asyncio.ensure_future(servers.ask(ask))
    await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert servers.servers[0].in_flight == 0


async def test_many_faults_at_random() -> None:
    """Every request is answered once, whatever breaks on the way."""
    servers, clients = fleet("a", "b", "c", most=50)
    chance = Random(3)
    kinds = ("connection", "timeout", "load", "server", "damaged")
    answered = 0

    async def flaky(client: Client) -> int:
        nonlocal answered
        await asyncio.sleep(0)
        if chance.random() < 0.3:
            raise RequestFault(chance.choice(kinds), "x")  # type: ignore[arg-type]
        answered += 1
        return answered

    found = await asyncio.gather(*[servers.ask(flaky, number) for number in range(200)])
    assert sorted(found) == list(range(1, 201))
    assert all(server.in_flight == 0 for server in servers.servers)
    assert len(clients) == 3
    await servers.close()
