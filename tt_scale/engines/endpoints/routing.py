"""Load balancing over equal servers: least busy first, failover, and health checks of servers that are down."""

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
"""Maximum number of concurrent requests to one server; further ones are queued here."""

FAILURES_UNTIL_DOWN = 3
"""Consecutive failures, overload excepted, after which a server counts as down until it passes a health check."""

HOME_ADVANTAGE = 4
"""Number of requests by which a prompt's home server may exceed the least busy one, since it has the prefix cached."""

FIRST_CHECK, LONGEST_CHECK = 1.0, 30.0
"""Seconds between health checks of a server that is down: doubled from the first to the longest."""

CHECK_SECONDS = 30.0
"""Timeout of a health check."""


class Server(Generic[Client]):
    """A server and its health.

    Args:
        url: configured address.
        client: client that sends its requests.

    Attributes:
        in_flight: number of pending requests.
        failures: number of consecutive failures, overload excepted.
        resume_at: time until which the server asked for no requests (seconds, monotonic clock).
    """

    def __init__(self, url: str, client: Client) -> None:
        self.url = url
        self.client = client
        self.in_flight = 0
        self.failures = 0
        self.resume_at = 0.0
        self._check_at = 0.0
        self._pause = FIRST_CHECK
        self._slots = asyncio.Semaphore(MOST_IN_FLIGHT)

    @property
    def is_down(self) -> bool:
        """Whether it gets no requests."""
        return self.failures >= FAILURES_UNTIL_DOWN

    @property
    def check_is_due(self) -> bool:
        """Whether a server that is down is due for a health check."""
        return self.is_down and monotonic() >= self._check_at

    def postpone_check(self) -> None:
        """Schedule the next check, and double the interval."""
        self._check_at = monotonic() + self._pause
        self._pause = min(2 * self._pause, LONGEST_CHECK)

    def succeeded(self) -> None:
        """Record a response."""
        self.failures = 0
        self._pause = FIRST_CHECK

    def failed(self, fault: RequestFault) -> None:
        """Record a failure; one that the request itself caused does not count against the server."""
        if fault.kind == "load":
            self.resume_at = max(self.resume_at, monotonic() + fault.wait)
        elif fault.retryable:
            self.failures += 1
            if self.failures == FAILURES_UNTIL_DOWN:
                self.postpone_check()

    async def send(self, request: Callable[[Client], Awaitable[Result]], seconds: float) -> Result:
        """Send a request as soon as a slot is free and the server accepts requests.

        Raises:
            RequestFault: it failed, or took longer than `seconds`.
        """
        self.in_flight += 1
        try:
            async with self._slots:
                await asyncio.sleep(max(0.0, self.resume_at - monotonic()))
                return await asyncio.wait_for(request(self.client), seconds)
        except asyncio.TimeoutError:
            raise RequestFault("timeout", f"{self.url} gave no answer within {seconds:g} seconds.", self.url) from None
        finally:
            self.in_flight -= 1


class Servers(Generic[Client]):
    """Load balancer over equal servers.

    Args:
        servers: the servers, at least one.
        policy: retry policy.
        seconds: timeout of a request.
        check: health check of a server that is down.
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
        """Whether all recent requests failed, and no server passes a health check now.

        A request that makes every server fail does not imply that other requests fail.
        """
        failures = [server.failures for server in self.servers]
        if min(failures) == 0 or sum(failures) < FAILURES_UNTIL_DOWN:
            return False
        await gather_or_cancel([self._checked(server) for server in self.servers])
        return all(server.failures for server in self.servers)

    async def ask(self, request: Callable[[Client], Awaitable[Result]], home: int = 0) -> Result:
        """Send a request, and retry it by the policy.

        Args:
            request: sends it by a client; called once for each attempt.
            home: number of the prompt's home server, modulo the number of servers.

        Raises:
            RequestFault: the last attempt failed.
        """
        attempts = 0
        failed: Server[Client] | None = None
        while True:
            server = self._choose(home, failed)
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
        """Cancel pending health checks; the caller closes the clients."""
        for check in self._checks:
            check.cancel()
        await asyncio.gather(*self._checks, return_exceptions=True)

    def _choose(self, home: int, failed: Server[Client] | None) -> Server[Client]:
        """Choose the home server or the least busy one, among those that are up and have not just failed."""
        for server in self.servers:
            if server.check_is_due:
                self._begin_check(server)
        up = [server for server in self.servers if not server.is_down] or list(self.servers)
        now = monotonic()
        ready = [server for server in up if server.resume_at <= now] or up
        ready = [server for server in ready if server is not failed] or ready
        own = self.servers[home % len(self.servers)]
        least = min(ready, key=lambda server: server.in_flight)
        return own if own in ready and own.in_flight <= least.in_flight + HOME_ADVANTAGE else least

    def _must_wait(self, server: Server[Client], fault: RequestFault) -> bool:
        """Whether the next attempt would go to the same server, or fail at any server."""
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
