"""Run a server: bind, load, serve, drain, close."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import uvicorn

from tt_scale.bench.run.events import Reporter
from tt_scale.config import Config
from tt_scale.errors import ConfigError
from tt_scale.serve.app import make_app
from tt_scale.serve.end_signals import ending_at_signals
from tt_scale.serve.open_files import raise_open_files
from tt_scale.serve.service import Service
from tt_scale.serve.settings import ServeSettings
from tt_scale.solver.async_solver import AsyncSolver

__all__ = ["IDLE_SECONDS", "bind", "on_signals", "serve"]

BACKLOG = 2048

IDLE_SECONDS = 75
"""A connection without a request is closed after so long; clients reuse one for about a minute."""


def bind(host: str, port: int) -> socket.socket:
    """Take an address before models are loaded for it.

    Raises:
        ConfigError: it is in use, or none of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        taken = socket.socket(family, kind, protocol)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(address)
    except OSError as error:
        raise ConfigError(
            f"The address {host}:{port} cannot be taken: {error.strerror or error}.", "Type: --port 0 for a free one"
        ) from None
    return taken


async def serve(
    config: Config,
    settings: ServeSettings,
    taken: socket.socket,
    drain: float,
    report: Reporter,
    ready: Callable[[Service], None],
) -> None:
    """Load the models and answer requests until SIGTERM or Ctrl-C; then finish what is under way.

    Args:
        config: models, method and knobs.
        settings: of the server.
        taken: a bound socket.
        drain: seconds that requests under way may take after the signal; a second signal ends them at once.
        report: is told that models load.
        ready: called once requests are answered.

    Raises:
        TTScaleError: the models cannot be opened.
    """
    raise_open_files()
    solver = AsyncSolver(config, report)
    loading = asyncio.current_task()
    assert loading is not None
    try:
        with on_signals([signal.SIGTERM], loading.cancel):  # Ctrl-C does that by itself
            await solver.open()
        service = Service(solver, settings)
        await service.open()
        options = uvicorn.Config(
            make_app(service),
            log_level="warning",
            access_log=False,
            lifespan="off",
            backlog=BACKLOG,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=max(1, round(drain)),
            server_header=False,
        )
        server = uvicorn.Server(options)
        server.capture_signals = _nothing  # type: ignore[method-assign]  # it would end the process before models close

        def end() -> None:
            server.force_exit = server.should_exit
            server.should_exit = service.draining = True

        service.stop = end
        with ending_at_signals(end):
            ready(service)
            await server.serve(sockets=[taken])
    finally:
        await solver.close()


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@contextmanager
def on_signals(numbers: Sequence[signal.Signals], call: Callable[[], object]) -> Iterator[None]:
    """Call something at each of the signals within the block."""
    loop = asyncio.get_running_loop()
    added = []
    for number in numbers:
        with suppress(NotImplementedError, RuntimeError, ValueError):  # Windows, or not the main thread
            loop.add_signal_handler(number, call)
            added.append(number)
    try:
        yield
    finally:
        for number in added:
            loop.remove_signal_handler(number)
