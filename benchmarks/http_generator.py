"""Tokens a second of best-of-n behind vLLM's OpenAI server on loopback, against the same engine in this process.

    python benchmarks/http_generator.py [--problems 16] [--samples 4] [--max-tokens 128] [--rounds 5]

Both engines are opened once, with the same model, number type, cache and batch; then they are asked in turn, so that
what else the machine does weighs on both alike. All solutions of a round are in flight at once. Look at the ratio of
each round and its median; target: the server keeps at least 0.85. Engine start is not counted.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tt_scale.config import Config
from tt_scale.engines.dtypes import fastest_type

TESTS = Path(__file__).parents[1] / "tests"


def configuration(arguments: argparse.Namespace, **own: Any) -> Config:
    keys = {
        "model_name": arguments.model,
        "prm_name": "none",
        "generator": "vllm",
        "method": "best_of_n",
        "N": arguments.samples,
        "temperature": 0.8,
        "max_tokens": arguments.max_tokens,
        "max_model_len": 512,
        "dtype": fastest_type(),
        "kv_cache_gib": 1.0,
    }
    return Config(**{**keys, **own})


async def one_round(config: Config, generator: Any, problems: list[Any]) -> tuple[float, int]:
    """Draw all solutions of all problems at once; tokens a second, and tokens."""
    from tt_scale.registry import searcher_class
    from tt_scale.space.search_space import SearchSpace

    searcher = searcher_class(config.method).from_config(config)
    spaces = [SearchSpace(problem, generator, None, config) for problem in problems]
    began = time.perf_counter()
    await asyncio.gather(*[searcher.search(space) for space in spaces])
    tokens = sum([space.usage.generated_tokens for space in spaces])
    return tokens / (time.perf_counter() - began), tokens


async def measured(arguments: argparse.Namespace, url: str) -> None:
    from tt_scale.models import open_models
    from tt_scale.problems import load_problems

    problems = list(load_problems("svamp", num_samples=arguments.problems, seed=1))
    inside, outside = configuration(arguments), configuration(arguments, generator="openai", base_url=url)
    async with open_models(inside) as (own, _), open_models(outside) as (served, _):
        await one_round(inside, own, problems[:2])
        await one_round(outside, served, problems[:2])
        ratios = []
        for number in range(arguments.rounds):
            pair = [(inside, own), (outside, served)]
            rates = {}
            for config, generator in pair if number % 2 == 0 else pair[::-1]:
                rates[config.generator] = await one_round(config, generator, problems)
            (here, tokens), (there, others) = rates["vllm"], rates["openai"]
            ratios.append(there / here)
            print(
                f"round {number + 1}: in this process {here:.0f} tokens/s ({tokens}), server {there:.0f} ({others}), "
                f"ratio {ratios[-1]:.2f}",
                flush=True,
            )
    print(f"median ratio {statistics.median(ratios):.2f}, from {min(ratios):.2f} to {max(ratios):.2f}")


def main() -> None:
    sys.path.insert(0, str(TESTS))
    from vllm_servers import vllm_server

    from tt_scale.engines.model_names import resolve_model

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--problems", type=int, default=16)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--max-tokens", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        options = ("--dtype", fastest_type(), "--served-model-name", arguments.model, "--disable-log-stats")
        with vllm_server(resolve_model(arguments.model), Path(folder) / "log", *options) as url:
            asyncio.run(measured(arguments, url))


if __name__ == "__main__":
    main()
