"""Write your own search method: sample solutions until one scores high enough.

    python examples/own_searcher.py

To give it a name on the command line, declare an entry point in the package that holds it:

    [project.entry-points."tt_scale.searchers"]
    until_good = "my_package:UntilGood"

Then `tt-scale bench --method until_good --method-args '{bar: 0.9}'` runs it over any benchmark. Budget, seeds, usage,
selectors and tables work as for built-in methods.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from tt_scale.base_classes import Searcher
from tt_scale.config import Config
from tt_scale.core.path import Outcome, Path
from tt_scale.generator.simulated import SimulatedGenerator
from tt_scale.prm.simulated import SimulatedPRM
from tt_scale.problems import simulated_problems
from tt_scale.space.search_space import SearchSpace


@dataclass(frozen=True)
class UntilGood(Searcher):
    """Sample complete solutions one by one until one scores at least `bar`, at most N of them."""

    summary: ClassVar[str] = "complete solutions until one is good enough"
    source: ClassVar[str] = "examples/own_searcher.py"

    bar: float = 0.9
    N: int = 16
    temperature: float = 0.8

    def widths(self, budget: int) -> Mapping[str, int]:
        return {"N": budget}  # so that `--budget` works with this method

    async def search(self, space: SearchSpace) -> Outcome:
        pool: list[Path] = []
        [root] = space.roots()
        for _ in range(self.N):
            [[path]] = await space.complete([root], temperature=self.temperature)
            pool += [path] if path.is_finished else []
            if path.score >= self.bar or space.exhausted:
                break
        return Outcome(tuple(pool), "budget" if space.exhausted else "enough")


async def main() -> None:
    generator = SimulatedGenerator()
    prm = SimulatedPRM(quality=0.6, generator=generator)
    for problem in simulated_problems(5):
        space = SearchSpace(problem, generator, prm, Config())
        outcome = await UntilGood().search(space)
        print(f"{problem.id}: {len(outcome.pool)} solutions, the last scores {outcome.pool[-1].score:.3f}")


if __name__ == "__main__":
    asyncio.run(main())
