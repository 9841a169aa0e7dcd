"""Whether scoring step by step gives what scoring whole solutions gives, over many real paths, and what it computes.

    python benchmarks/prm_steps.py [--paths 1000] [--backend huggingface | vllm]

pocket-gen samples 16 solutions of each problem, pocket-prm scores them in float32: once grown step by step, all paths
of a depth together, once whole by a fresh copy. Printed are the largest difference, and the tokens computed for each
token of the paths (the question once for each problem). Targets: 1e-4, and 1.25 where the cache keeps every token.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path as FilePath

from tt_scale.base_classes import PRM, Problem
from tt_scale.config import Config
from tt_scale.core.path import Path
from tt_scale.models import make_models, open_models
from tt_scale.problems import load_problems
from tt_scale.space.search_space import SearchSpace

ROOT = FilePath(__file__).parents[1]
SAMPLES = 16
Pools = list[tuple[Problem, list[Path]]]


async def sampled(config: Config, count: int) -> Pools:
    """Sample whole solutions."""
    problems = load_problems(f"pocket-math:count={-(-count // SAMPLES)}")
    async with open_models(config.model_copy(update={"prm_name": "none"})) as (generator, _):
        spaces = [SearchSpace(problem, generator, None, config) for problem in problems]
        found = await asyncio.gather(*[space.complete(space.roots(), SAMPLES, temperature=0.7) for space in spaces])
    return [
        (problem, [path for path in family if path.steps]) for problem, [family] in zip(problems, found, strict=True)
    ]


async def started(config: Config) -> PRM:
    prm = make_models(config)[1]
    assert prm is not None
    await prm.start()
    return prm


async def step_by_step(prm: PRM, problem: Problem, paths: Sequence[Path]) -> tuple[list[list[float]], int]:
    """Scores of each path [paths][steps], and the tokens that were computed."""
    known: list[tuple[float, ...]] = [() for _ in paths]
    computed = 0
    for end in range(1, max(len(path.steps) for path in paths) + 1):
        growing = [number for number, path in enumerate(paths) if len(path.steps) >= end]
        grown = [replace(paths[number], steps=paths[number].steps[:end], scores=known[number]) for number in growing]
        for number, scores in zip(growing, await prm.score(problem, grown), strict=True):
            known[number] += scores.values
            computed += scores.tokens - scores.cached
    return [list(each) for each in known], computed


async def measure(config: Config, count: int) -> None:
    pools = await sampled(config, count)
    prm = await started(config)
    grown = await asyncio.gather(*[step_by_step(prm, *pool) for pool in pools])
    await prm.close()
    prm = await started(config)
    whole = await asyncio.gather(*[prm.score(*pool) for pool in pools])
    tokens = 0
    for problem, paths in pools:  # what a perfect cache would have to read
        question, texts = await ids_of(prm, problem, paths)
        tokens += question + texts
    await prm.close()
    gaps = [
        abs(one - other)
        for (steps, _), records in zip(grown, whole, strict=True)
        for each, record in zip(steps, records, strict=True)
        for one, other in zip(each, record.values, strict=True)
    ]
    computed = sum([each for _, each in grown])
    print(f"{sum([len(paths) for _, paths in pools]):,} paths, {len(gaps):,} steps: largest difference {max(gaps):.1e}")
    print(f"{computed:,} tokens computed for {tokens:,} of the paths: {computed / tokens:.2f}")


async def ids_of(prm: PRM, problem: Problem, paths: Sequence[Path]) -> tuple[int, int]:
    """Tokens of the question, and of all solutions of it, as the PRM reads them."""
    readings = [prm.adapter.read(problem, path) for path in paths]  # type: ignore[attr-defined]
    shared = min(len(reading.ids) for reading in readings)
    while len({reading.ids[:shared] for reading in readings}) > 1:
        shared -= 1
    return shared, sum([len(reading.ids) - shared for reading in readings])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--paths", type=int, default=1000)
    parser.add_argument("--backend", default="huggingface", choices=["huggingface", "vllm"])
    arguments = parser.parse_args()
    config = Config.from_yaml("pocket", generator=arguments.backend, prm=arguments.backend, dtype="float32")
    asyncio.run(measure(config, arguments.paths))


if __name__ == "__main__":
    main()
