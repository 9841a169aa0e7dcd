"""A server on loopback, in a thread of the test."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tt_scale.bench.run.events import silent
from tt_scale.config import Config
from tt_scale.serve.run import bind, serve
from tt_scale.serve.service import Service
from tt_scale.serve.settings import ServeSettings

__all__ = ["QUESTION", "Running", "ask", "running"]

QUESTION = "Simulated problem 7: level 3, 5 steps."


class Running:
    """What a test needs of a server.

    Attributes:
        url: its address.
        service: behind it.
    """

    def __init__(self, url: str, service: Service) -> None:
        self.url = url
        self.service = service


@contextmanager
def running(settings: ServeSettings | None = None, **keys: Any) -> Iterator[Running]:
    """Serve the simulated world, or what the keys name, until the end of the block."""
    config = Config(**{"model_name": "simulated", "prm_name": "simulated", **keys})
    taken, ready = bind("127.0.0.1", 0), threading.Event()
    found: list[Service] = []
    failed: list[BaseException] = []

    def tell(service: Service) -> None:
        found.append(service)
        ready.set()

    def run() -> None:
        try:
            asyncio.run(serve(config, settings or ServeSettings(), taken, 5.0, silent, tell))
        except BaseException as error:
            failed.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run)
    with taken:
        thread.start()
        ready.wait()
        if failed:
            raise failed[0]
        try:
            yield Running(f"http://127.0.0.1:{taken.getsockname()[1]}", found[0])
        finally:
            found[0].stop()
            thread.join()
    if failed:
        raise failed[0]


def ask(server: Running, **fields: Any) -> Any:
    """Post a request for an answer to `QUESTION`; the fields come beside it."""
    import httpx

    body = {"model": "dvts", "messages": [{"role": "user", "content": QUESTION}], **fields}
    return httpx.post(f"{server.url}/v1/chat/completions", json=body, timeout=60)
