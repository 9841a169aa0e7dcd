"""How many tokens the PRM computes for each token of the paths that a search grows.

    python benchmarks/prm_tokens.py [--problems 20] [--backend huggingface]

pocket-gen searches and pocket-prm scores, all problems at once. For each method: tokens given to the PRM at every
step, those that it computed, and, to compare with, the tokens of the tree, each prefix of a path once. Target: at
most 1.25 computed for each token of the tree where a method grows step by step. `best_of_n` has whole solutions
scored, which can share little more than the question: every place that is scored must be read.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path

from tt_scale.base_classes import Scores
from tt_scale.config import Config
from tt_scale.models import make_searcher, open_models
from tt_scale.prm.adapters.base import ScoringInput
from tt_scale.prm.score_cache import CachedPRM
from tt_scale.prm.token_prm import TokenPRM
from tt_scale.problems.load import load_problems
from tt_scale.space.search_space import SearchSpace

ROOT = Path(__file__).parents[1]


class Meter:
    """Stands before a PRM and counts."""

    def __init__(self, prm: TokenPRM) -> None:
        self._score_inputs = prm.score_inputs
        prm.score_inputs = self.score_inputs  # type: ignore[method-assign]
        self.given = self.computed = 0
        self.prefixes: set[int] = set()

    async def score_inputs(self, inputs: Sequence[ScoringInput]) -> list[Scores]:
        found = await self._score_inputs(inputs)
        for each, scores in zip(inputs, found, strict=True):
            self.given += scores.tokens
            self.computed += scores.tokens - scores.cached
            self.prefixes |= {hash(each.ids[:end]) for end in range(1, len(each.ids) + 1)}
        return found


async def measure(config: Config, count: int) -> tuple[int, int, int]:
    """Search problems with one method and fresh models: tokens given, computed, and of the tree."""
    problems = load_problems(f"pocket-math:count={count}")
    async with open_models(config) as (generator, prm):
        inner = prm.inner if isinstance(prm, CachedPRM) else prm
        assert isinstance(inner, TokenPRM)
        meter = Meter(inner)
        searcher = make_searcher(config)
        await asyncio.gather(*[searcher.search(SearchSpace(each, generator, prm, config)) for each in problems])
    return meter.given, meter.computed, len(meter.prefixes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=20)
    parser.add_argument("--backend", default="huggingface", choices=["huggingface", "vllm"])
    arguments = parser.parse_args()
    keys = {"generator": "huggingface", "prm": arguments.backend, "dtype": "float32"}
    config = Config.from_yaml("pocket", **keys)
    print(f"{'method':<16}{'given':>10}{'computed':>10}{'tree':>10}{'computed/tree':>15}{'computed/given':>16}")
    for method in ("best_of_n", "beam_search", "collective", "independent"):
        given, computed, tree = asyncio.run(measure(config.model_copy(update={"method": method}), arguments.problems))
        print(f"{method:<16}{given:>10}{computed:>10}{tree:>10}{computed / tree:>15.3f}{computed / given:>16.3f}")


if __name__ == "__main__":
    main()
