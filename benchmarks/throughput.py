"""Tokens a second of best-of-8 through the whole run engine, against one plain offline call of the same engine.

    python benchmarks/throughput.py [--problems 32] [--samples 8] [--max-tokens 200] [--rounds 3]

Three programs run one after the other, each in a process of its own with the same engine settings, in turn for as
many rounds as asked: ours without a PRM, plain `LLM.generate` made to produce exactly as many tokens for the same
prompts, and ours with the judge, whose scoring shares the engine. Engine start is not counted. Target: ours without
a PRM reaches at least 0.85 of plain. Both compute in the fastest type of the machine, where overhead shows most.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tt_scale.config import Config
from tt_scale.problems import load_problems


def configuration(arguments: argparse.Namespace) -> Config:
    return Config(
        model_name="smollm2",
        prm_name="judge",
        generator="vllm",
        method="best_of_n",
        N=arguments.samples,
        temperature=0.8,
        max_tokens=arguments.max_tokens,
        max_model_len=1024,
        dtype="auto",
        datasets=("svamp",),
        num_samples=arguments.problems,
        concurrency=arguments.problems,
        output_dir=tempfile.mkdtemp(),
    )


async def ours(config: Config, scored: bool) -> dict[str, Any]:
    """Search all problems through space, searcher and generator; grading and files included."""
    from tt_scale.bench.run.journal import Journal
    from tt_scale.bench.run.manifest import manifest
    from tt_scale.bench.run.runner import Run, run_tasks
    from tt_scale.grading import Grader
    from tt_scale.models import make_searcher, open_models

    problems = load_problems("svamp", num_samples=config.num_samples, seed=config.seed)
    async with open_models(config) as (generator, prm):
        journal = Journal(Path(config.output_dir) / "run", manifest(config, "svamp", problems, "bench"))
        with Grader() as grader, journal:
            scorer = prm if scored else None
            run = Run(config, make_searcher(config), generator, scorer, grader, journal, lambda _: None)
            began = time.perf_counter()
            await run_tasks([run], problems, [(0, index, 0) for index in range(len(problems))])
            seconds = time.perf_counter() - began
        prompts = [list(generator.prompt(problem, config.system_prompt)) for problem in problems]
    order = {row.id: row.usage.generated_tokens for row in journal.rows}
    return {
        "tokens": sum(order.values()),
        "seconds": seconds,
        "prompts": prompts,
        "lengths": [order[problem.id] for problem in problems],
    }


def plain(config: Config, prompts: list[list[int]], lengths: list[int]) -> dict[str, Any]:
    """One `LLM.generate` call with as many requests and exactly as many tokens."""
    from tt_scale.engines.model_names import resolve_model
    from tt_scale.engines.vllm.engine import engine_args

    own = engine_args(config, resolve_model(config.model_name))
    from dataclasses import fields

    from vllm import LLM, SamplingParams

    given = {field.name: getattr(own, field.name) for field in fields(own)}
    keep = (
        "model", "dtype", "max_model_len", "seed", "enable_prefix_caching", "kv_cache_memory_bytes", "block_size",
        "enforce_eager", "enable_chunked_prefill", "max_num_batched_tokens", "max_num_seqs", "gpu_memory_utilization",
    )  # fmt: skip
    llm = LLM(**{key: given[key] for key in keep if given.get(key) is not None})
    requests, settings = [], []
    for prompt, total in zip(prompts, lengths, strict=True):
        share, rest = divmod(total, config.N)
        for child in range(config.N):
            length = share + (child < rest)
            requests.append({"prompt_token_ids": prompt})
            settings.append(
                SamplingParams(temperature=0.8, seed=child, max_tokens=length, min_tokens=length, ignore_eos=True)
            )
    began = time.perf_counter()
    outputs = llm.generate(requests, settings, use_tqdm=False)
    seconds = time.perf_counter() - began
    return {"tokens": sum(len(output.outputs[0].token_ids) for output in outputs), "seconds": seconds}


def in_a_process(arguments: argparse.Namespace, part: str, given: Path | None = None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        command = [sys.executable, __file__, "--part", part, "--out", str(out)]
        for name in ("problems", "samples", "max_tokens"):
            command += [f"--{name.replace('_', '-')}", str(getattr(arguments, name))]
        subprocess.run(command + (["--given", str(given)] if given else []), check=True)
        found: dict[str, Any] = json.loads(out.read_text())
        return found


def compare(arguments: argparse.Namespace) -> None:
    ratios, scored_ratios = [], []
    print(f"{'round':<7}{'program':<22}{'tokens':>9}{'seconds':>9}{'tokens/s':>10}")
    for number in range(1, arguments.rounds + 1):
        free = in_a_process(arguments, "ours")
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(free, file)
            file.flush()
            bare = in_a_process(arguments, "plain", Path(file.name))
        judged = in_a_process(arguments, "judged")
        speeds = {}
        for name, each in (("ours, no PRM", free), ("plain LLM.generate", bare), ("ours, judge", judged)):
            speeds[name] = each["tokens"] / each["seconds"]
            print(f"{number:<7}{name:<22}{each['tokens']:>9,}{each['seconds']:>9.1f}{speeds[name]:>10,.0f}", flush=True)
        ratios.append(speeds["ours, no PRM"] / speeds["plain LLM.generate"])
        scored_ratios.append(speeds["ours, judge"] / speeds["plain LLM.generate"])
    print(f"\nratio ours / plain, median of {len(ratios)}: {statistics.median(ratios):.2f}  (target 0.85)")
    print(f"with the judge on the same engine: {statistics.median(scored_ratios):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=32)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--max-tokens", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--part", choices=["ours", "plain", "judged"], help=argparse.SUPPRESS)
    parser.add_argument("--given", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    config = configuration(arguments)
    if arguments.part is None:
        return compare(arguments)
    if arguments.part == "plain":
        given = json.loads(arguments.given.read_text())
        found = plain(config, given["prompts"], given["lengths"])
    else:
        found = asyncio.run(ours(config, scored=arguments.part == "judged"))
    arguments.out.write_text(json.dumps(found))
    return None


if __name__ == "__main__":
    main()
