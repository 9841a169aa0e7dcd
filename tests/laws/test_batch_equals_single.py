"""The simulated PRM and generator answer alone as they answer in company."""

from __future__ import annotations

import asyncio

import pytest
from worlds import run, sim_problem, sim_space

from tt_scale.base_classes import StepRequest
from tt_scale.config import Config
from tt_scale.core.path import Path
from tt_scale.generator.simulated import SimulatedGenerator, World
from tt_scale.prm.simulated import SimulatedPRM
from tt_scale.searcher.best_of_n import BestOfN
from tt_scale.searcher.collective_backtrack import CollectiveBacktrack

WORLD = World(blank=0.2)


def grown_paths() -> list[Path]:
    """Paths of all lengths, some with scores of their first steps."""
    space = sim_space(world=WORLD)
    run(CollectiveBacktrack(), space)
    run(BestOfN(), space)
    bare = [Path(node.key, node.steps, node.scores[: index % 2], 0.0) for index, node in enumerate(space.nodes)]
    return [path for path in bare if len(path.steps) > len(path.scores)]


@pytest.mark.parametrize("quality", [0.0, 0.6, 1.0])
def test_scores_do_not_depend_on_company(quality: float) -> None:
    """Noise drawn in call order, or padding that leaks: a batch that scores other than its members."""
    paths, problem = grown_paths(), sim_problem()
    prm = SimulatedPRM(quality, 79, SimulatedGenerator(WORLD))
    together = asyncio.run(prm.score(problem, paths))
    alone = [asyncio.run(prm.score(problem, [path]))[0] for path in paths]
    backwards = asyncio.run(prm.score(problem, paths[::-1]))[::-1]
    again = asyncio.run(SimulatedPRM(quality, 79, SimulatedGenerator(WORLD)).score(problem, paths))
    assert together == alone == backwards == again
    assert len(paths) > 30


@pytest.mark.parametrize("quality", [0.0, 0.6, 1.0])
def test_scores_do_not_depend_on_when_a_step_is_scored(quality: float) -> None:
    """A step that scores otherwise beside later steps than as the newest one: best-of-N against step methods."""
    problem, prm = sim_problem(), SimulatedPRM(quality, 79, SimulatedGenerator(WORLD))
    for path in grown_paths():
        whole = Path(path.key, path.steps)
        [at_once] = asyncio.run(prm.score(problem, [whole]))
        values: tuple[float, ...] = ()
        for end in range(1, len(path.steps) + 1):
            part = Path(path.key, path.steps[:end], values)
            values += asyncio.run(prm.score(problem, [part]))[0].values
        assert values == at_once.values


def test_samples_do_not_depend_on_company() -> None:
    """A random number generator that siblings share."""
    generator, config = SimulatedGenerator(WORLD), Config()
    prompt = generator.prompt(sim_problem(), "")
    requests = [
        StepRequest(prompt, config.sampling(temperature), stop, 300, seed)
        for seed in range(10)
        for stop in [(), ("\n\n",)]
        for temperature in (0.0, 0.8)
    ]
    together = asyncio.run(generator.generate(requests))
    assert together == [asyncio.run(generator.generate([request]))[0] for request in requests]
    assert together[::-1] == asyncio.run(generator.generate(requests[::-1]))
