"""How many children a second the search machinery expands, with models that cost nothing.

    python benchmarks/expansion.py [--seconds 3]

The simulated world answers in microseconds, so what is measured is ours: seeds, requests, paths, aggregation,
budget, records. Target: at least 20,000 children a second in one process for each method. A second table shows the
peak memory after 1,000 and after 10,000 problems through the run engine's loop: it must not grow.
"""

from __future__ import annotations

import argparse
import asyncio
import time
import tracemalloc

from tt_scale.base_classes import Problem, Searcher
from tt_scale.config import Config
from tt_scale.core.path import Path
from tt_scale.generator.simulated import SimulatedGenerator
from tt_scale.prm.simulated import SimulatedPRM
from tt_scale.problems.simulated import simulated_problems
from tt_scale.registry import BUILT_IN, searcher_class
from tt_scale.space.search_space import SearchSpace

WHOLE = ("best_of_n", "deepconf", "greedy", "self_consistency")
"""Methods whose nodes are whole solutions; each is as many expanded steps as it has, cut into them or not."""


def steps_in(solution: Path) -> int:
    return sum([step.text.strip().count("\n\n") + 1 for step in solution.steps])


def world(method: str) -> tuple[Searcher, SimulatedGenerator, SimulatedPRM, Config]:
    config = Config(model_name="simulated", prm_name="simulated", method=method, N=16)
    generator = SimulatedGenerator()
    return searcher_class(method).from_config(config), generator, SimulatedPRM(0.6, config.seed, generator), config


async def children_per_second(method: str, problems: list[Problem], seconds: float) -> tuple[int, float]:
    searcher, generator, prm, config = world(method)
    children, began, number = 0, time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        space = SearchSpace(problems[number % len(problems)], generator, prm, config, repeat=number // len(problems))
        await searcher.search(space)
        children += sum([steps_in(node) for node in space.nodes]) if method in WHOLE else len(space.nodes)
        number += 1
    return children, time.perf_counter() - began


async def peak(method: str, count: int) -> float:
    """Peak traced memory in MiB over a number of problems that are searched and let go."""
    searcher, generator, prm, config = world(method)
    problems = simulated_problems(100)
    tracemalloc.start()
    for number in range(count):
        space = SearchSpace(problems[number % 100], generator, prm, config, repeat=number // 100)
        await searcher.search(space)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--memory-problems", type=int, default=10_000)
    arguments = parser.parse_args()
    problems = simulated_problems(1000)
    print(f"{'method':<16}{'children/s':>12}")
    for method in sorted(BUILT_IN["searchers"]):
        asyncio.run(children_per_second(method, problems, 0.3))
        children, took = asyncio.run(children_per_second(method, problems, arguments.seconds))
        print(f"{method:<16}{children / took:>12,.0f}")
    few, many = arguments.memory_problems // 10, arguments.memory_problems
    print(f"\n{'method':<16}{f'MiB, {few:,}':>14}{f'MiB, {many:,}':>14}")
    for method in sorted(BUILT_IN["searchers"]):
        print(f"{method:<16}{asyncio.run(peak(method, few)):>14.1f}{asyncio.run(peak(method, many)):>14.1f}")


if __name__ == "__main__":
    main()
