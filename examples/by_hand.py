"""Run searchers by hand on one problem of the simulated world.

    python examples/by_hand.py

A `SearchSpace` gives access to one problem; a searcher is a frozen dataclass of parameters. Nothing else is needed.
"""

from __future__ import annotations

import asyncio

from tt_scale.config import Config
from tt_scale.core.path import name
from tt_scale.generator.simulated import SimulatedGenerator
from tt_scale.prm.simulated import SimulatedPRM
from tt_scale.problems import simulated_problems
from tt_scale.searcher.beam_search import BeamSearch
from tt_scale.searcher.best_of_n import BestOfN
from tt_scale.searcher.collective_backtrack import CollectiveBacktrack
from tt_scale.searcher.independent_backtrack import IndependentBacktrack
from tt_scale.space.search_space import SearchSpace

SEARCHERS = (
    BestOfN(N=8),
    BeamSearch(n_beams=2, beam_width=4),
    CollectiveBacktrack(tau=0.6, max_backtracks=3),
    IndependentBacktrack(tau=0.6, max_finished_branches=2),
)


async def main() -> None:
    problem = simulated_problems(5)[4]
    generator = SimulatedGenerator()
    prm = SimulatedPRM(quality=0.6, generator=generator)
    print(f"{problem.question} The answer is {problem.answer}.\n")
    for searcher in SEARCHERS:
        space = SearchSpace(problem, generator, prm, Config())
        outcome = await searcher.search(space)
        chosen = max(outcome.pool, key=lambda path: path.score, default=None)
        print(f"{type(searcher).__name__}: {len(outcome.pool)} finished paths, {space.usage.generated_tokens} tokens")
        if chosen is not None:
            print(f"  best path {name(chosen.key)} scores {chosen.score:.3f} and ends: {chosen.steps[-1].text[-40:]!r}")


if __name__ == "__main__":
    asyncio.run(main())
