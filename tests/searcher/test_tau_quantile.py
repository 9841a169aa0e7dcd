"""PRMs that rank steps alike but are not calibrated alike, under a number and under a quantile."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from worlds import sim_problem

from tt_scale.base_classes import Problem, Scores
from tt_scale.config import Config
from tt_scale.core.path import Key, Path
from tt_scale.generator.simulated import SimulatedGenerator
from tt_scale.models import make_searcher
from tt_scale.prm.simulated import SimulatedPRM
from tt_scale.space.first_steps import asked_quantile, measure
from tt_scale.space.search_space import SearchSpace

PROBLEMS = [sim_problem(number, level=1 + number % 5) for number in range(40)]
TOWARDS_ONE, TOWARDS_ZERO = 0.05, 20.0


class MiscalibratedPRM(SimulatedPRM):
    """Raises the scores of the simulated PRM to a power: below 1 it praises everything, above 1 nothing."""

    power = 1.0

    async def score(self, problem: Problem, paths: Sequence[Path]) -> list[Scores]:
        verdicts = await super().score(problem, paths)
        return [replace(verdict, values=tuple([value**self.power for value in verdict.values])) for verdict in verdicts]


async def searched(power: float, **keys: object) -> tuple[float, list[list[Key]]]:
    """Search every problem as a run does; the pass rate, and the keys of each tree."""
    config = Config(model_name="simulated", prm_name="simulated", **keys)
    generator = SimulatedGenerator()
    prm = MiscalibratedPRM(config.prm_quality, config.seed, generator)
    prm.power = power
    searcher = make_searcher(config)
    asked = asked_quantile(searcher)
    scores = (await measure(asked, searcher, PROBLEMS, generator, prm, config)).scores if asked else ()
    spaces = [SearchSpace(problem, generator, prm, config, first_scores=scores) for problem in PROBLEMS]
    await asyncio.gather(*(searcher.search(space) for space in spaces))
    judged, passed = (sum(getattr(space.bar, count) for space in spaces) for count in ("judged", "passed"))
    return passed / judged, [[node.key for node in space.nodes] for space in spaces]


@pytest.mark.parametrize("method", ["collective", "independent"])
async def test_a_number_passes_all_or_nothing(method: str) -> None:
    """What the quantile is for: 0.6 accepts nearly all steps of one PRM and nearly none of another."""
    keys = {"method": method, "tau": 0.6}
    assert (await searched(TOWARDS_ONE, **keys))[0] > 0.95
    assert (await searched(TOWARDS_ZERO, **keys))[0] < 0.05


@pytest.mark.parametrize("method", ["collective", "independent"])
@pytest.mark.parametrize("power", [TOWARDS_ONE, 1.0, TOWARDS_ZERO])
async def test_a_quantile_keeps_the_pass_rate(method: str, power: float) -> None:
    """Near one half over all judged steps, later ones and retries too, however the scores are squashed."""
    rate, _ = await searched(power, method=method, tau="q0.5")
    assert abs(rate - 0.5) < 0.1


@pytest.mark.parametrize("power", [TOWARDS_ONE, TOWARDS_ZERO])
async def test_what_ranks_alike_grows_the_same_trees(power: float) -> None:
    """An interpolated quantile, or one that is rounded, moves when scores are squashed.

    `independent` looks at nothing but which score is larger, where relaxing goes by the quantile too and not by a
    distance between scores: the trees are equal to the last key.
    """
    keys = {"method": "independent", "tau": "q0.5"}
    assert (await searched(power, **keys))[1] == (await searched(1.0, **keys))[1]


async def test_more_passes_at_a_lower_quantile() -> None:
    """q0.9 read as "nine tenths pass"."""
    rates = [(await searched(1.0, method="independent", tau=tau))[0] for tau in ("q0.1", "q0.5", "q0.9")]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] - rates[2] > 0.4
