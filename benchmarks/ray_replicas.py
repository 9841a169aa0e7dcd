"""Searches on a Ray cluster of this machine: against the local run, and with more and more replicas.

    python benchmarks/ray_replicas.py one [--rounds 3] [--problems 60]
    python benchmarks/ray_replicas.py scaling [--replicas 1 2 4 8 16 32 64 128 256] [--each 30]

`one` runs the pocket models in this process and on one replica, in turn, each in a program of its own; loading is not
counted. Target: the replica reaches 0.95 of the local run.

`scaling` needs no model: a simulated generator waits 50 ms for each step that it returns, as one that computes
elsewhere would, and each replica searches one problem of 24 steps at a time (best of 4). Up to 16 replicas have a
process each; beyond, 16 processes hold several, as searches that are in flight at a time. Counted is the rate between
the first and the last tenth of a run. Target: 0.9 of so many times the rate of one, up to 64. Beside it stand the
processor time of the driver for each problem, which says when one driver is full, and the bytes that cross.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tt_scale.bench.run.events import Event, RunAdvanced
from tt_scale.bench.run.plan import plan_runs
from tt_scale.bench.run.session import make_executor, ready, run_plan
from tt_scale.config import Config
from tt_scale.core.records import Step, StepRequest
from tt_scale.generator.simulated import SimulatedGenerator
from tt_scale.grading import Grader
from tt_scale.problems.simulated import simulated_answer, simulated_question

STEP_SECONDS = 0.05
STEPS = 24
MOST_PROCESSES = 16


class Delayed(SimulatedGenerator):
    """The simulated world, in which a step takes its time, and steps side by side take as long as one."""

    async def generate(self, requests: Sequence[StepRequest]) -> list[Step]:
        steps = await super().generate(requests)
        await asyncio.sleep(STEP_SECONDS * max([step.text.count("\n\n") + 1 for step in steps], default=0))
        return steps


def simulated(replicas: int, each: int, folder: Path) -> Config:
    processes = min(replicas, MOST_PROCESSES)
    problems = folder / "problems.jsonl"
    with problems.open("w", encoding="utf-8") as file:
        for number in range(each * replicas):
            question = simulated_question(number, 1, STEPS)
            file.write(json.dumps({"question": question, "answer": str(simulated_answer(number))}) + "\n")
    return Config(
        model_name="simulated",
        generator="ray_replicas:Delayed",
        prm_name="simulated",
        prm="simulated",
        method="best_of_n",
        N=4,
        temperature=0.7,
        max_tokens=2048,
        datasets=(str(problems),),
        output_dir=str(folder / "logs"),
        detail_log=False,
        distribute="ray",
        replicas=processes,
        concurrency=replicas // processes,
    )


def pocket(distribute: str, problems: int, folder: Path) -> Config:
    own = {"num_samples": problems, "output_dir": str(folder / "logs"), "dtype": "float32", "method": "beam_search"}
    return Config.from_yaml("pocket", distribute=distribute, **own)


class Finished:
    """When each search was finished."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def __call__(self, event: Event, /) -> None:
        if isinstance(event, RunAdvanced):
            self.times.append(time.perf_counter())

    def rate(self) -> float:
        """Searches a second between the first and the last tenth."""
        first, last = len(self.times) // 10, len(self.times) - 1 - len(self.times) // 10
        return (last - first) / (self.times[last] - self.times[first])


async def measured(config: Config) -> dict[str, float]:
    """Open everything, then search and count."""
    grader, finished = Grader(seconds=config.grade_timeout), Finished()
    [config] = ready([config])
    [plan] = plan_runs([config], f"{grader.name} {grader.version}")
    with ExitStack() as stack:
        stack.enter_context(grader)
        stack.enter_context(plan.journal)
        async with make_executor(config, finished) as executor:
            await executor.check([plan])
            await asyncio.gather(*[slot.ready() for slot in getattr(executor, "_slots", [])])
            began, cpu = time.perf_counter(), time.process_time()
            await run_plan(plan, grader, finished, executor)
            took, cpu = time.perf_counter() - began, time.process_time() - cpu
    size = (plan.journal.folder / "problems.jsonl").stat().st_size
    return {
        "problems": plan.total,
        "seconds": took,
        "rate": finished.rate(),
        "driver_ms": 1000 * cpu / plan.total,
        "up": size / plan.total,
        "down": len(pickle.dumps((0, 0, 0, plan.problems[0]))),
    }


def in_a_process(*arguments: object) -> dict[str, float]:
    """Run one case in a program of its own, where this module has a name that replicas can import."""
    code = "import json, ray_replicas; print(json.dumps(ray_replicas.case()))"
    paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        stdout=subprocess.PIPE,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def case() -> dict[str, float]:
    kind, count, number = sys.argv[1], *map(int, sys.argv[2:4])
    with tempfile.TemporaryDirectory() as folder:
        config = simulated(count, number, Path(folder)) if kind == "simulated" else pocket(kind, count, Path(folder))
        return asyncio.run(measured(config))


def one(arguments: argparse.Namespace) -> None:
    ratios = []
    print(f"{'round':<7}{'local, s':>10}{'replica, s':>12}{'ratio':>8}")
    for number in range(1, arguments.rounds + 1):
        order = ("none", "ray") if number % 2 else ("ray", "none")
        seconds = {each: in_a_process(each, arguments.problems, 0)["seconds"] for each in order}
        ratios.append(seconds["none"] / seconds["ray"])
        print(f"{number:<7}{seconds['none']:>10.2f}{seconds['ray']:>12.2f}{ratios[-1]:>8.2f}", flush=True)
    print(f"\nlocal seconds / replica's, median of {len(ratios)}: {statistics.median(ratios):.2f}  (target 0.95)")


def scaling(arguments: argparse.Namespace) -> None:
    alone = 0.0
    heads = ("replicas", "processes", "problems", "problems/s", "linear", "driver ms", "up, B", "down, B")
    print("".join([f"{head:>11}" for head in heads]))
    for replicas in arguments.replicas:
        found = in_a_process("simulated", replicas, arguments.each)
        rate, processes = found["rate"], min(replicas, MOST_PROCESSES)
        alone = alone or rate / replicas
        print(
            f"{replicas:>11}{processes:>11}{found['problems']:>11,}{rate:>11.1f}{rate / replicas / alone:>11.2f}"
            f"{found['driver_ms']:>11.2f}{found['up']:>11,.0f}{found['down']:>11,}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["one", "scaling"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--problems", type=int, default=60)
    parser.add_argument("--replicas", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32, 64, 128, 256])
    parser.add_argument("--each", type=int, default=30, help="problems for each replica")
    arguments = parser.parse_args()
    (one if arguments.part == "one" else scaling)(arguments)


if __name__ == "__main__":
    main()
