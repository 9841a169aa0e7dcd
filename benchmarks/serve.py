"""What a server adds to a search, how much of a run's speed it keeps, and whether it leaks.

    python benchmarks/serve.py [--config FILE|RECIPE] [--questions 64] [--requests 10000] [--connections 1000]

The server and the same searches without it run in this process, on the same models; its clients are a process of their
own on loopback (`http_clients.py`).

added      milliseconds that a lone request takes longer than the same search without a server, medians: by the clock,
           clients included, and of this process's processor time
share      tokens per second of 64 concurrent requests, divided by those of the searches alone, 64 at a time; beside it
           the processor time of this process, of the clients and of the engines' processes, and with vLLM the steps of
           each engine and the requests in a step, which say whether the server's searches share steps as the others
           do; on a busy machine compare the processor time
held       open connections that have sent half of a request and are answered at the end
leaks      requests of which a third is cancelled at random times; afterwards tasks, files, searches and queue are
           counted, and with vLLM the requests and blocks of the KV cache that an engine still holds
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import statistics
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psutil
import uvicorn
from http_clients import Body, Clients
from stopwatch import now, since

from tt_scale import Config, Problem, load_problems
from tt_scale.serve.app import make_app
from tt_scale.serve.open_files import raise_open_files
from tt_scale.serve.run import bind
from tt_scale.serve.service import Service
from tt_scale.serve.settings import ServeSettings
from tt_scale.solver.async_solver import AsyncSolver

CONCURRENCY = 64


@dataclass
class Measured:
    """What is measured.

    Attributes:
        solver: behind the server.
        service: of the server.
        url: to which requests go.
        clients: that send them.
        problems: that are searched.
        method: by which.
        engines: vLLM's, by the model's part; empty with others.
    """

    solver: AsyncSolver
    service: Service
    url: str
    clients: Clients
    problems: Sequence[Problem]
    method: str
    engines: dict[str, Engine]

    @property
    def bodies(self) -> list[Body]:
        return [
            {"model": self.method, "messages": [{"role": "user", "content": problem.question}]}
            for problem in self.problems
        ]


class Engine:
    """Counts the steps of a vLLM engine and the requests in each, and asks it what it holds."""

    def __init__(self, llm: Any) -> None:
        self.llm, self.steps, self.rows = llm, 0, 0
        process = llm.output_processor.process_outputs

        def counted(outputs: Sequence[Any], *arguments: Any, **keywords: Any) -> Any:
            self.steps += 1
            self.rows += len(outputs)
            return process(outputs, *arguments, **keywords)

        llm.output_processor.process_outputs = counted

    def taken(self) -> str:
        """Steps and requests in a step since the last call."""
        steps, rows = self.steps, self.rows
        self.steps = self.rows = 0
        return f"{steps:,} steps of {rows / max(steps, 1):.1f} requests"

    async def held(self) -> str:
        """What it holds: vLLM clears its prefix cache only if no request has a block of it."""
        requests = self.llm.output_processor.get_num_unfinished_requests()
        free = await self.llm.reset_prefix_cache()
        return f"{requests} requests, {'no block' if free else 'BLOCKS'} in use"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--config")
    options.add_argument("--method", default="dvts")
    options.add_argument("--questions", type=int, default=64)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--requests", type=int, default=10_000)
    options.add_argument("--connections", type=int, default=1_000)
    options.add_argument("--patience", type=float, default=0.2, help="seconds after which clients leave, on average")
    given = options.parse_args()
    raise_open_files()
    asyncio.run(measured(given))


async def measured(given: Any) -> None:
    simulated = Config(model_name="simulated", prm_name="simulated", datasets=("simulated",))
    config = (Config.from_yaml(given.config) if given.config else simulated).changed(method=given.method)
    problems = load_problems(config.datasets[0], num_samples=given.questions)
    solver = AsyncSolver(config)
    try:
        await solver.open()
        service = Service(solver, ServeSettings(concurrency=CONCURRENCY, max_queue=20_000))
        await service.open()
        async with served(service) as url, Clients() as clients:
            one = Measured(solver, service, url, clients, problems, given.method, await engines_of(solver))
            await clients.do("answer", url, bodies=one.bodies[:1], concurrency=1)
            await added(one)
            await share(one, given.rounds)
            held = await clients.do("hold", url, bodies=one.bodies, count=given.connections)
            print(f"held {given.connections} connections; answered {held['answered']}", flush=True)
            await leaks(one, given.requests, given.patience)
    finally:
        await solver.close()


@asynccontextmanager
async def served(service: Service) -> AsyncIterator[str]:
    options = uvicorn.Config(
        make_app(service), log_level="error", access_log=False, lifespan="off", backlog=4096, timeout_keep_alive=75
    )
    server = uvicorn.Server(options)
    with bind("127.0.0.1", 0) as taken:
        serving = asyncio.create_task(server.serve(sockets=[taken]))
        while not server.started:  # noqa: ASYNC110  (uvicorn has no event for it)
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/v1/chat/completions"
        server.should_exit = True
        await serving


async def engines_of(solver: AsyncSolver) -> dict[str, Engine]:
    """The engines of vLLM behind generator and PRM."""
    assert solver.engines is not None
    generator, prm = await (await solver.engines.get()).get()
    found = {}
    for name, model in (("generator", generator), ("PRM", prm)):
        own = getattr(model, "_engine", None)
        llm = getattr(getattr(own, "_engine", own), "llm", None)
        if hasattr(llm, "output_processor"):
            found[name] = Engine(llm)
    return found


async def added(one: Measured) -> None:
    """Ask for each problem both ways, one after the other."""
    walls, processors = [], []
    for problem, body in zip(one.problems, one.bodies, strict=True):
        began = now()
        await one.solver.solve(problem.question)
        alone = since(began)
        began = now()
        answer = await one.clients.do("answer", one.url, bodies=[body], concurrency=1)
        walls.append(answer["seconds"] - alone[0])
        processors.append(since(began)[1] - alone[1])
    for what, found in (("wall", walls), ("processor", processors)):
        most = sorted(found)[int(0.95 * (len(found) - 1))]
        print(
            f"added {what} {1000 * statistics.median(found):.2f} ms, 95th percentile {1000 * most:.2f} ms", flush=True
        )
    print("limit 5 ms", flush=True)


async def share(one: Measured, rounds: int) -> None:
    """Alternate both ways, so that a change of the machine's speed meets both; the order changes with each round."""
    ratios = []
    for number in range(rounds):
        ways = [("alone", alone), ("served", through_server)]
        speeds, work = dict[str, float](), dict[str, float]()
        for name, way in ways if number % 2 == 0 else reversed(ways):
            for engine in one.engines.values():
                await engine.llm.reset_prefix_cache()
                engine.taken()
            below, began = seconds_below(one.clients.pid), now()
            tokens, clients = await way(one)
            wall, processor = since(began)
            below = seconds_below(one.clients.pid) - below
            speeds[name], work[name] = tokens / wall, tokens / (processor + below)
            told = [f"{what} {engine.taken()}" for what, engine in one.engines.items()]
            print(
                f"{name}: {tokens:,} tokens in {wall:.2f} s, {speeds[name]:,.0f} tokens/s; processor {processor:.2f} s "
                f"here, {below:.2f} s engines, {clients:.2f} s clients; {', '.join(told)}",
                flush=True,
            )
        ratios.append((speeds["served"] / speeds["alone"], work["served"] / work["alone"]))
    by_clock, by_processor = (statistics.median(each) for each in zip(*ratios, strict=True))
    print(
        f"share {by_clock:.3f} by the clock, {by_processor:.3f} by the processor time of server and engines, at "
        f"{CONCURRENCY} concurrent; limit 0.95",
        flush=True,
    )


def seconds_below(*others: int) -> float:
    """Processor time of the processes that this one started, without some."""
    processes = [each for each in psutil.Process().children(recursive=True) if each.pid not in others]
    return float(sum([each.cpu_times().user + each.cpu_times().system for each in processes]))


async def alone(one: Measured) -> tuple[int, float]:
    gate = asyncio.Semaphore(CONCURRENCY)

    async def solved(problem: Problem) -> int:
        async with gate:
            return (await one.solver.solve(problem.question)).usage.generated_tokens

    return sum(await asyncio.gather(*[solved(problem) for problem in one.problems])), 0.0


async def through_server(one: Measured) -> tuple[int, float]:
    answer = await one.clients.do("answer", one.url, bodies=one.bodies, concurrency=CONCURRENCY)
    return answer["tokens"], answer["processor"]


async def leaks(one: Measured, count: int, patience: float) -> None:
    await asyncio.sleep(0.5)
    before = await counts(one)
    job = {"bodies": one.bodies, "concurrency": CONCURRENCY, "count": count, "patience": patience}
    found = await one.clients.do("leave", one.url, **job)
    for _ in range(100):
        after = await counts(one)
        if after == before:
            break
        await asyncio.sleep(0.1)
    print(f"leaks: {count} requests in {found['seconds']:.0f} s: {found['ends']}\nbefore {before}\nafter  {after}")


async def counts(one: Measured) -> dict[str, int | str]:
    """What must be as before; idle connections are closed by both ends after some seconds."""
    gc.collect()
    found: dict[str, int | str] = {
        "searching": one.service._admission.searching,
        "queued": one.service._admission.queued,
        "tasks": len(asyncio.all_tasks()),
        "files": _files(),
        "spaces": sum(type(each).__name__ == "SearchSpace" for each in gc.get_objects()),
    }
    return {**found, **{name: await engine.held() for name, engine in one.engines.items()}}


def _files() -> int:
    """Open files but sockets; 0 where the system does not list them."""
    folder = "/proc/self/fd"
    if not os.path.isdir(folder):
        return 0
    names = [f"{folder}/{name}" for name in os.listdir(folder)]
    return sum(not os.readlink(name).startswith("socket:") for name in names if os.path.islink(name))


if __name__ == "__main__":
    main()
