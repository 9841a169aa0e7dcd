"""What the start of both models of a configuration costs: seconds, processor seconds, and processes.

    python benchmarks/starting.py [--config pocket] [--rounds 3]

Each round opens the models in a process of its own: as they are opened, with the engines one after the other, and with
vLLM's worker processes besides. The ratios to the first way are what to look at; on a busy machine, those of processor
seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from typing import Any

WAYS = ("as they are", "one by one", "with workers")


def process_seconds(of: Any) -> float:
    import psutil

    try:
        times = of.cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


async def measured(config_file: str, way: str) -> dict[str, float]:
    """Open the models in this process."""
    import psutil

    from tt_scale import models
    from tt_scale.config import Config
    from tt_scale.config.recipe_files import read_config
    from tt_scale.engines.vllm import cpu as vllm_cpu
    from tt_scale.generator.vllm import VLLMGenerator

    async def nothing(_: VLLMGenerator) -> bool:
        return False

    if way != "as they are":
        VLLMGenerator.launch = nothing  # type: ignore[method-assign, assignment]
    if way == "with workers":
        vllm_cpu._single_process_executor = lambda: None
    began = time.perf_counter()
    async with models.open_models(Config(**read_config(config_file))):
        seconds = time.perf_counter() - began
        everyone = [psutil.Process(), *psutil.Process().children(recursive=True)]
        return {
            "seconds": seconds,
            "processor seconds": sum([process_seconds(each) for each in everyone]),
            "processes": len([each for each in everyone if process_seconds(each) > 1]),
        }


def round_of(config_file: str, way: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, __file__, "--config", config_file, "--way", way], capture_output=True, text=True, check=True
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="pocket")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way:
        print(json.dumps(asyncio.run(measured(arguments.config, arguments.way))))
        return
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(arguments.rounds):
        for way in WAYS:
            found[way].append(round_of(arguments.config, way))
    middle = {
        way: {key: statistics.median([each[key] for each in rounds]) for key in rounds[0]}
        for way, rounds in found.items()
    }
    for way, numbers in middle.items():
        ratios = {key: value / middle[WAYS[0]][key] for key, value in numbers.items()}
        print(f"{way:<14}", "   ".join([f"{key} {value:.1f} ({ratios[key]:.2f})" for key, value in numbers.items()]))


if __name__ == "__main__":
    main()
