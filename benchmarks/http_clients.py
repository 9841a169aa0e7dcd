"""Clients of a server, in a process of their own, so that they take no time of its event loop.

Reads one job of JSON a line from standard input, and writes its result as a line: see `JOBS`. `Clients` starts such a
process and gives it jobs.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
from stopwatch import now, since

from tt_scale.serve.open_files import raise_open_files

__all__ = ["Clients"]

Body = dict[str, Any]


class Clients:
    """A process of clients."""

    async def __aenter__(self) -> Clients:
        pipe, paths = asyncio.subprocess.PIPE, [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, __file__, stdin=pipe, stdout=pipe, limit=2**26, env=environment
        )
        return self

    @property
    def pid(self) -> int:
        return self._process.pid

    async def __aexit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()

    async def do(self, name: str, url: str, **arguments: Any) -> dict[str, Any]:
        """Have a job done."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"job": name, "url": url, **arguments}).encode() + b"\n")
        await self._process.stdin.drain()
        line = await self._process.stdout.readline()
        assert line, f"the clients ended during {name}"
        found: dict[str, Any] = json.loads(line)
        return found


async def answer(client: httpx.AsyncClient, url: str, bodies: Sequence[Body], concurrency: int) -> dict[str, Any]:
    """Ask, so many at a time; the tokens that were generated."""
    gate = asyncio.Semaphore(concurrency)

    async def one(body: Body) -> int:
        async with gate:
            response = await client.post(url, json=body)
        assert response.status_code == 200, response.text
        return int(response.json()["usage"]["completion_tokens"])

    began = now()
    tokens = sum(await asyncio.gather(*[one(body) for body in bodies]))
    wall, processor = since(began)
    return {"tokens": tokens, "seconds": wall, "processor": processor}


async def leave(
    client: httpx.AsyncClient, url: str, bodies: Sequence[Body], concurrency: int, count: int, patience: float
) -> dict[str, Any]:
    """Ask, every second time for a stream; a third goes away after a random time, `patience` seconds on average."""
    chance, gate, ends = random.Random(0), asyncio.Semaphore(concurrency), dict[str, int]()

    async def one(number: int) -> None:
        seconds = chance.expovariate(1 / patience) if chance.random() < 1 / 3 else None
        body = {**bodies[number % len(bodies)], "stream": number % 2 == 0}
        async with gate:
            try:
                end = str((await asyncio.wait_for(client.post(url, json=body), seconds)).status_code)
            except asyncio.TimeoutError:
                end = "cancelled"
            except httpx.TransportError as error:
                end = type(error).__name__
        ends[end] = ends.get(end, 0) + 1

    began = time.perf_counter()
    await asyncio.gather(*[one(number) for number in range(count)])
    return {"ends": dict(sorted(ends.items())), "seconds": time.perf_counter() - began}


async def hold(client: httpx.AsyncClient, url: str, bodies: Sequence[Body], count: int) -> dict[str, Any]:
    """Open connections, send half of a request on each, then the other half."""
    address, body = httpx.URL(url), json.dumps(bodies[0]).encode()
    head = f"POST {address.path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    half = len(request) - len(body) // 2
    streams = []
    for _ in range(count):
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(request[:half])
        streams.append((reader, writer))
    await asyncio.sleep(1.0)
    for _, writer in streams:
        writer.write(request[half:])
    answers = await asyncio.gather(*[reader.read() for reader, _ in streams])
    for _, writer in streams:
        writer.close()
    return {"answered": sum([each.startswith(b"HTTP/1.1 200") for each in answers])}


JOBS: dict[str, Callable[..., Awaitable[dict[str, Any]]]] = {"answer": answer, "leave": leave, "hold": hold}


async def work() -> None:
    raise_open_files()
    async with httpx.AsyncClient(timeout=600, limits=httpx.Limits(max_connections=None)) as client:
        while line := await asyncio.to_thread(sys.stdin.readline):
            job = json.loads(line)
            print(json.dumps(await JOBS[job.pop("job")](client, **job)), flush=True)


if __name__ == "__main__":
    asyncio.run(work())
