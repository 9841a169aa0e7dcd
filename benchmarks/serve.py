"""What a server adds to a search, how much of a run's speed it keeps, and whether it leaks.

    python benchmarks/serve.py [--config FILE|RECIPE] [--questions 64] [--requests 10000] [--connections 1000]

In one process, so that nothing else differs: the server with its clients on loopback, and the same searches without it.

added      milliseconds that a lone request takes longer than the same search without a server, medians; on a busy
           machine those of the processor are what to look at
share      tokens per second of 64 concurrent requests, divided by those of the searches alone, 64 at a time
held       open connections that have sent half of a request and are answered at the end
leaks      requests of which a third is cancelled at random times; afterwards tasks, files, searches, queue, and the
           blocks of the KV cache in use are counted
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import random
import statistics
import time
from collections.abc import Sequence
from typing import Any

import httpx
import uvicorn

from tt_scale import Config, Problem, load_problems
from tt_scale.serve.app import make_app
from tt_scale.serve.run import bind, raise_open_files
from tt_scale.serve.service import Service
from tt_scale.serve.settings import ServeSettings
from tt_scale.solver.async_solver import AsyncSolver

CONCURRENCY = 64


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--config")
    options.add_argument("--method", default="dvts")
    options.add_argument("--questions", type=int, default=64)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--requests", type=int, default=10_000)
    options.add_argument("--connections", type=int, default=1_000)
    given = options.parse_args()
    raise_open_files()
    asyncio.run(measured(given))


async def measured(given: Any) -> None:
    simulated = Config(model_name="simulated", prm_name="simulated", datasets=("simulated",))
    config = (Config.from_yaml(given.config) if given.config else simulated).changed(method=given.method)
    problems = load_problems(config.datasets[0], num_samples=given.questions)
    solver = AsyncSolver(config)
    await solver.open()
    service = Service(solver, ServeSettings(concurrency=CONCURRENCY, max_queue=20_000))
    await service.open()
    taken = bind("127.0.0.1", 0)
    server = uvicorn.Server(
        uvicorn.Config(
            make_app(service),
            log_level="error",
            access_log=False,
            lifespan="off",
            backlog=4096,
            timeout_keep_alive=75,
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[taken]))
    while not server.started:  # noqa: ASYNC110  (uvicorn has no event for it)
        await asyncio.sleep(0.01)
    url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1/chat/completions"
    limits = httpx.Limits(max_connections=CONCURRENCY, max_keepalive_connections=CONCURRENCY)
    async with httpx.AsyncClient(timeout=600, limits=limits) as client:
        await _post(client, url, given.method, problems[0])
        await added(client, url, given.method, problems, solver)
        await share(client, url, given.method, problems, solver, given.rounds)
        await held(taken.getsockname()[1], given.method, problems[0], given.connections)
        await leaks(client, url, given.method, problems, given.requests, service)
    server.should_exit = True
    await serving
    await solver.close()


async def _post(client: httpx.AsyncClient, url: str, method: str, problem: Problem) -> dict[str, Any]:
    body = {"model": method, "messages": [{"role": "user", "content": problem.question}]}
    answer = await client.post(url, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def added(
    client: httpx.AsyncClient, url: str, method: str, problems: Sequence[Problem], solver: AsyncSolver
) -> None:
    """Ask for each problem both ways, one after the other; the client's own cost counts as the server's."""
    walls, processors = [], []
    for problem in problems:
        began = _now()
        await solver.solve(problem.question)
        alone = _since(began)
        began = _now()
        await _post(client, url, method, problem)
        served = _since(began)
        walls.append(served[0] - alone[0])
        processors.append(served[1] - alone[1])
    for what, found in (("wall", walls), ("processor", processors)):
        most = sorted(found)[int(0.95 * (len(found) - 1))]
        print(
            f"added {what} {1000 * statistics.median(found):.2f} ms, 95th percentile {1000 * most:.2f} ms", flush=True
        )
    print("limit 5 ms", flush=True)


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _since(began: tuple[float, float]) -> tuple[float, float]:
    wall, processor = _now()
    return wall - began[0], processor - began[1]


async def share(
    client: httpx.AsyncClient, url: str, method: str, problems: Sequence[Problem], solver: AsyncSolver, rounds: int
) -> None:
    """Alternate both ways, so that a change of the machine's speed meets both."""
    gate = asyncio.Semaphore(CONCURRENCY)

    async def alone(problem: Problem) -> int:
        async with gate:
            return (await solver.solve(problem.question)).usage.generated_tokens

    async def served(problem: Problem) -> int:
        async with gate:
            return int((await _post(client, url, method, problem))["usage"]["completion_tokens"])

    ratios = []
    for _ in range(rounds):
        speeds = []
        for way in (alone, served):
            began = time.perf_counter()
            tokens = sum(await asyncio.gather(*[way(problem) for problem in problems]))
            speeds.append(tokens / (time.perf_counter() - began))
        ratios.append(speeds[1] / speeds[0])
        print(f"tokens/s alone {speeds[0]:,.0f}, served {speeds[1]:,.0f}", flush=True)
    print(f"share {statistics.median(ratios):.3f} at {CONCURRENCY} concurrent; limit 0.95", flush=True)


async def held(port: int, method: str, problem: Problem, count: int) -> None:
    """Open connections, send half of a request on each, then the other half."""
    body = json.dumps({"model": method, "messages": [{"role": "user", "content": problem.question}]}).encode()
    head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    half = len(request) - len(body) // 2
    streams = []
    for _ in range(count):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request[:half])
        streams.append((reader, writer))
    await asyncio.sleep(1.0)
    for _, writer in streams:
        writer.write(request[half:])
    answers = await asyncio.gather(*[reader.read() for reader, _ in streams])
    for _, writer in streams:
        writer.close()
    print(f"held {count} connections; answered {sum(each.startswith(b'HTTP/1.1 200') for each in answers)}", flush=True)


async def leaks(
    client: httpx.AsyncClient, url: str, method: str, problems: Sequence[Problem], count: int, service: Service
) -> None:
    chance = random.Random(0)
    gate = asyncio.Semaphore(CONCURRENCY)
    await asyncio.sleep(0.5)
    before = await counts(service)
    ends: dict[str, int] = {}

    async def one(number: int) -> None:
        problem = problems[number % len(problems)]
        body = {"model": method, "stream": number % 2 == 0, "messages": [{"role": "user", "content": problem.question}]}
        patience = chance.expovariate(1 / 0.2) if chance.random() < 1 / 3 else None
        async with gate:
            try:
                answer = await asyncio.wait_for(client.post(url, json=body), patience)
                end = str(answer.status_code)
            except asyncio.TimeoutError:
                end = "cancelled"
            except httpx.TransportError as error:
                end = type(error).__name__
        ends[end] = ends.get(end, 0) + 1

    began = time.perf_counter()
    await asyncio.gather(*[one(number) for number in range(count)])
    seconds = time.perf_counter() - began
    for _ in range(100):
        after = await counts(service)
        if after == before:
            break
        await asyncio.sleep(0.1)
    print(f"leaks: {count} requests in {seconds:.0f} s: {dict(sorted(ends.items()))}; before {before}, after {after}")


async def counts(service: Service) -> dict[str, int]:
    """What must be as before; the clients' idle connections are closed by both ends after some seconds."""
    gc.collect()
    found = {
        "searching": service._admission.searching,
        "queued": service._admission.queued,
        "tasks": len(asyncio.all_tasks()),
        "files": _files(),
        "spaces": sum(type(each).__name__ == "SearchSpace" for each in gc.get_objects()),
    }
    blocks = await kv_blocks(service)
    return found if blocks is None else {**found, "kv requests": blocks}


def _files() -> int:
    """Open files but sockets; 0 where the system does not list them."""
    folder = "/proc/self/fd"
    if not os.path.isdir(folder):
        return 0
    names = [f"{folder}/{name}" for name in os.listdir(folder)]
    return sum(not os.readlink(name).startswith("socket:") for name in names if os.path.islink(name))


async def kv_blocks(service: Service) -> int | None:
    """Requests that vLLM still holds, each with its blocks; None without vLLM."""
    engines = service._solver.engines
    assert engines is not None
    generator, _ = await (await engines.get()).get()
    engine = getattr(generator, "_engine", None)
    processor = getattr(getattr(engine, "llm", None), "output_processor", None)
    return None if processor is None else processor.get_num_unfinished_requests()


if __name__ == "__main__":
    main()
