"""Requests over several equal servers: the least busy one first, others where one fails, broken ones left out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import Generic, TypeVar

from tt_scale.core.concurrency import gather_or_cancel
from tt_scale.engines.endpoints.faults import RequestFault
from tt_scale.engines.endpoints.retries import RetryPolicy

__all__ = ["Server", "Servers"]

Client = TypeVar("Client")
Result = TypeVar("Result")

MOST_IN_FLIGHT = 512
"""Requests to one server at a time; more wait here."""

FAILURES_UNTIL_DOWN = 3
"""Failures in a row, other than for load, after which a server is left out until it answers a check."""

HOME_ADVANTAGE = 4
"""Requests that a prompt's own server may have more than the least busy one: its cache has the prompt's beginning."""

FIRST_CHECK, LONGEST_CHECK = 1.0, 30.0
"""Seconds between checks of a server that is down: doubled from the first to the longest."""

CHECK_SECONDS = 30.0
"""Within which a check is answered."""


class Server(Generic[Client]):
    """One server and how it has been doing.

    Args:
        url: as the configuration has it.
        client: to send requests by.

    Attributes:
        in_flight: requests that it has not answered.
        failures: in a row, other than for load.
        resume_at: until then it wants no requests (seconds, monotonic clock).
    """

    def __init__(self, url: str, client: Client) -> None:
        self.url = url
        self.client = client
        self.in_flight = 0
        self.failures = 0
        self.resume_at = 0.0
        self._check_at = 0.0
        self._pause = FIRST_CHECK
        self._places = asyncio.Semaphore(MOST_IN_FLIGHT)

    @property
    def is_down(self) -> bool:
        """Whether it is left out."""
        return self.failures >= FAILURES_UNTIL_DOWN

    @property
    def check_is_due(self) -> bool:
        """Whether a server that is down should be asked whether it is back."""
        return self.is_down and monotonic() >= self._check_at

    def postpone_check(self) -> None:
        """Ask later, twice as long as before."""
        self._check_at = monotonic() + self._pause
        self._pause = min(2 * self._pause, LONGEST_CHECK)

    def succeeded(self) -> None:
        """Note an answer."""
        self.failures = 0
        self._pause = FIRST_CHECK

    def failed(self, fault: RequestFault) -> None:
        """Note a failure; one that is the request's own fault says nothing of the server."""
        if fault.kind == "load":
            self.resume_at = max(self.resume_at, monotonic() + fault.wait)
        elif fault.retryable:
            self.failures += 1
            if self.failures == FAILURES_UNTIL_DOWN:
                self.postpone_check()

    async def send(self, request: Callable[[Client], Awaitable[Result]], seconds: float) -> Result:
        """Send one request once it may be sent.

        Raises:
            RequestFault: it failed, or took longer than so many seconds.
        """
        self.in_flight += 1
        try:
            async with self._places:
                await asyncio.sleep(max(0.0, self.resume_at - monotonic()))
                return await asyncio.wait_for(request(self.client), seconds)
        except asyncio.TimeoutError:
            raise RequestFault("timeout", f"{self.url} gave no answer within {seconds:g} seconds.", self.url) from None
        finally:
            self.in_flight -= 1


class Servers(Generic[Client]):
    """Equal servers behind one door.

    Args:
        servers: at least one.
        policy: of retries.
        seconds: that one answer may take.
        check: asks a server that is down whether it is back.
    """

    def __init__(
        self,
        servers: Sequence[Server[Client]],
        policy: RetryPolicy,
        seconds: float,
        check: Callable[[Client], Awaitable[object]],
    ) -> None:
        self.servers = tuple(servers)
        self._policy = policy
        self._seconds = seconds
        self._check = check
        self._checks: set[asyncio.Task[None]] = set()

    async def are_gone(self) -> bool:
        """Whether none of them has answered since the last few requests, nor answers a check now.

        A request that breaks a server's answer each time says nothing of the others.
        """
        failures = [server.failures for server in self.servers]
        if min(failures) == 0 or sum(failures) < FAILURES_UNTIL_DOWN:
            return False
        await gather_or_cancel([self._checked(server) for server in self.servers])
        return all(server.failures for server in self.servers)

    async def ask(self, request: Callable[[Client], Awaitable[Result]], place: int = 0) -> Result:
        """Send a request until it is answered or there is no use.

        Args:
            request: sends it by a client; called once for each attempt.
            place: of the prompt's own server, any whole number.

        Raises:
            RequestFault: of the last attempt.
        """
        attempts = 0
        failed: Server[Client] | None = None
        while True:
            server = self._chosen(place, failed)
            try:
                answer = await server.send(request, self._seconds)
            except RequestFault as fault:
                server.failed(fault)
                failed = server
                attempts += 1
                if self._policy.gives_up(fault, attempts):
                    raise
                await asyncio.sleep(self._policy.wait(fault, attempts) if self._must_wait(server, fault) else 0.0)
                continue
            server.succeeded()
            return answer

    async def close(self) -> None:
        """End the checks under way; the clients are the caller's to close."""
        for check in self._checks:
            check.cancel()
        await asyncio.gather(*self._checks, return_exceptions=True)

    def _chosen(self, place: int, failed: Server[Client] | None) -> Server[Client]:
        """The least busy server that is up, other than the one that has just failed; of all where none is."""
        for server in self.servers:
            if server.check_is_due:
                self._begin_check(server)
        up = [server for server in self.servers if not server.is_down] or list(self.servers)
        now = monotonic()
        ready = [server for server in up if server.resume_at <= now] or up
        ready = [server for server in ready if server is not failed] or ready
        home = self.servers[place % len(self.servers)]
        least = min(ready, key=lambda server: server.in_flight)
        return home if home in ready and home.in_flight <= least.in_flight + HOME_ADVANTAGE else least

    def _must_wait(self, server: Server[Client], fault: RequestFault) -> bool:
        """Whether the next attempt would go to the same server, or the fault lies in what all of them do."""
        others = [other for other in self.servers if other is not server and not other.is_down]
        return not others or fault.kind in ("damaged", "timeout")

    def _begin_check(self, server: Server[Client]) -> None:
        server.postpone_check()
        task = asyncio.ensure_future(self._checked(server))
        self._checks.add(task)
        task.add_done_callback(self._checks.discard)

    async def _checked(self, server: Server[Client]) -> None:
        try:
            await asyncio.wait_for(self._check(server.client), CHECK_SECONDS)
        except (RequestFault, asyncio.TimeoutError):
            return
        server.succeeded()
