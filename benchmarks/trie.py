"""What the generator `trie` is worth on the pocket pair: how much of what is sampled is new, and tokens a second.

    python benchmarks/trie.py [--problems 40] [--samples 64]

First, for each level: the share of sampled tokens whose prefix no other sample of the problem had; only those are
computed. Then searches with `huggingface` and with `trie`, each twice over the same problems: the first time most is
new, the second time nothing is. The trees of all four must be equal.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tt_scale.base_classes import PRM, Generator, Problem
from tt_scale.config import Config
from tt_scale.models import make_searcher, open_models
from tt_scale.problems import load_problems
from tt_scale.space.search_space import SearchSpace

ROOT = Path(__file__).parents[1]
METHODS = ("best_of_n", "beam_search", "collective")


def recipe(**changes: object) -> Config:
    keys = {"generator": "trie", "prm": "huggingface", "dtype": "float32", **changes}
    return Config.from_yaml("pocket", **keys)


async def shares(problems: Sequence[Problem], samples: int) -> None:
    config = recipe(prm_name="none", prm="auto")
    tokens: Counter[int | None] = Counter()
    fresh: Counter[int | None] = Counter()
    async with open_models(config) as (generator, _):
        for problem in problems:
            space = SearchSpace(problem, generator, None, config)
            [paths] = await space.complete(space.roots(), samples, temperature=config.temperature)
            tokens[problem.level] += sum([path.tokens for path in paths])
            fresh[problem.level] += len({path.ids[:end] for path in paths for end in range(path.tokens)})
    print(f"{samples} solutions of each of {len(problems)} problems")
    for level in sorted(tokens, key=str):
        print(f"  level {level}: {tokens[level]:>8,} tokens, {fresh[level] / tokens[level]:6.1%} computed")
    print(f"  all    : {tokens.total():>8,} tokens, {fresh.total() / tokens.total():6.1%} computed")


Trees = list[list[tuple[object, ...]]]


async def searched(
    config: Config, problems: Sequence[Problem], generator: Generator, prm: PRM | None
) -> tuple[Trees, float]:
    """Trees, and generated tokens a second."""
    spaces = [SearchSpace(problem, generator, prm, config) for problem in problems]
    searcher = make_searcher(config)
    began = time.perf_counter()
    await asyncio.gather(*[searcher.search(space) for space in spaces])
    seconds = time.perf_counter() - began
    trees: Trees = [[(node.key, node.ids, node.state) for node in space.nodes] for space in spaces]
    return trees, sum([space.usage.generated_tokens for space in spaces]) / seconds


async def compare(method: str, problems: Sequence[Problem]) -> None:
    found = []
    for generator in ("huggingface", "trie"):
        config = recipe(generator=generator, method=method)
        async with open_models(config) as opened:
            found += [await searched(config, problems, *opened) for _ in range(2)]
    if any(trees != found[0][0] for trees, _ in found):
        sys.exit(f"{method}: the trees differ.")
    print(f"{method:<14}" + "".join([f"{speed:>14,.0f}" for _, speed in found]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=40)
    parser.add_argument("--samples", type=int, default=64)
    arguments = parser.parse_args()
    problems = load_problems(f"pocket-math:count={arguments.problems}")
    asyncio.run(shares(problems, arguments.samples))
    print(f"\n{'tokens/s':<14}{'huggingface':>14}{'again':>14}{'trie':>14}{'again':>14}")
    for method in METHODS:
        asyncio.run(compare(method, problems))


if __name__ == "__main__":
    main()
