"""What an answer of an open Solver costs beside its search, and what the first answer costs.

    python benchmarks/solver.py [--config FILE|RECIPE] [--questions 200]

Each question is searched in turn by the search alone (one coroutine in the solver's event loop) and through
`Solver.solve` from another thread; the difference of the medians is what `solve` adds, in seconds and in processor
seconds of all threads; on a busy machine, those are what to look at. Without --config the simulated world is searched,
so that the difference is not lost in the noise of a model.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

from stopwatch import now, since

from tt_scale import Config, Solver, load_problems
from tt_scale.base_classes import PRM, Generator
from tt_scale.solver.question import search_question


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--config")
    options.add_argument("--questions", type=int, default=200)
    given = options.parse_args()
    simulated = Config(model_name="simulated", prm_name="simulated", datasets=("simulated",))
    config = Config.from_yaml(given.config) if given.config else simulated
    problems = load_problems(config.datasets[0], num_samples=given.questions)
    began = time.perf_counter()
    with Solver(config) as solver:
        solver.solve(problems[0])
        first = time.perf_counter() - began
        alone, through = zip(
            *[(_alone(solver, problem), _through(solver, problem)) for problem in problems], strict=True
        )
    print(f"models and first answer {1000 * first:.1f} ms; {len(problems)} questions, medians:")
    for place, what in enumerate(("wall", "processor")):
        one, other = (statistics.median([each[place] for each in way]) for way in (alone, through))
        added = 1000 * (other - one)
        print(f"{what}: search alone {1000 * one:.2f} ms, Solver.solve {1000 * other:.2f} ms, added {added:.2f} ms")
    print("limit 2 ms")


def _through(solver: Solver, problem: Any) -> tuple[float, float]:
    began = now()
    solver.solve(problem)
    return since(began)


def _alone(solver: Solver, problem: Any) -> tuple[float, float]:
    """The search and the choice of the answer, timed inside the event loop."""
    own = solver._solver

    async def measured() -> tuple[float, float]:
        asked = await own.ask(problem)
        assert own.engines is not None
        models: tuple[Generator, PRM | None] = await (await own.engines.get()).get()
        began = now()
        await search_question(asked, *models, own._grader)
        return since(began)

    return solver._running().run(measured())


if __name__ == "__main__":
    main()
