"""Wide and long searches in an event loop that others use, too."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

import pytest
from worlds import sim_problem, sim_space

from tt_scale import Config, Solver
from tt_scale.config.declare import MOST_PATHS
from tt_scale.core.concurrency import TimeSlice
from tt_scale.errors import ConfigError
from tt_scale.generator.simulated import SimulatedGenerator
from tt_scale.models import make_searcher
from tt_scale.space.pace import Pace, TimeIsOverError
from tt_scale.space.search_space import SearchSpace

QUESTION = "Simulated problem 7: level 3, 5 steps."


@pytest.mark.parametrize("whole", [False, True])
async def test_an_expansion_that_cannot_be_planned_is_refused(whole: bool) -> None:
    """It took all memory of the machine, child by child."""
    space = sim_space(sim_problem(0, level=1, steps=4))
    grow = space.complete if whole else space.expand
    with pytest.raises(ConfigError, match="would sample 1,000,000,000,000 children at once; at most 100,000 are allow"):
        await grow(space.roots(), 10**12, temperature=0.8)
    with pytest.raises(ConfigError, match="at most 100,000 are allowed"):
        space.roots(10**12)
    with pytest.raises(ConfigError, match="would sample 100,002 children"):
        await grow(space.roots(2), MOST_PATHS // 2 + 1, temperature=0.8)
    assert space.usage.generated_tokens == 0


def paced(pace: Pace, **keys: object) -> tuple[Config, SearchSpace]:
    config = Config(model_name="simulated", prm_name="none", **keys)
    return config, SearchSpace(sim_problem(0, level=1, steps=4), SimulatedGenerator(), None, config, pace=pace)


async def test_a_limit_of_its_own_holds_for_all_children_of_an_expansion() -> None:
    _, space = paced(Pace(most_children=7))
    with pytest.raises(ConfigError, match="would sample 8 children at once; at most 7 are allowed"):
        await space.expand(space.roots(4), 2, temperature=0.8)
    children = await space.expand(space.roots(1), 7, temperature=0.8)
    assert len(children[0]) == 7


async def test_others_have_their_turn_while_a_wide_expansion_is_sampled() -> None:
    """A server answered nothing, not even /health, until a wide request was done."""
    config, space = paced(Pace(TimeSlice(0.0)), method="self_consistency", N=1000)
    searched = asyncio.ensure_future(make_searcher(config).search(space))
    turns = 0
    while not searched.done():
        turns += 1
        await asyncio.sleep(0)
    assert len((await searched).pool) > 900
    assert turns > 20


async def test_a_turn_after_the_deadline_ends_the_search() -> None:
    await Pace(deadline=time.monotonic() + 1e6).turn()
    with pytest.raises(TimeIsOverError):
        await Pace(deadline=time.monotonic() - 1).turn()


def test_a_deadline_is_kept_where_the_engine_never_yields() -> None:
    """The whole search ran before anybody looked at the clock."""
    with Solver(Config(model_name="simulated", prm_name="simulated")) as solver:
        found = solver.solve(QUESTION, method="dvts", timeout=1e-9)
    assert found.outcome.stopped == "timeout"
    assert found.answer is None
    assert found.usage.generated_tokens == 0


def test_what_was_found_before_the_deadline_is_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0

    def clock() -> float:
        nonlocal looks
        looks += 1
        return 0.0 if looks <= 4 else float("inf")

    monkeypatch.setattr("tt_scale.space.pace.time", SimpleNamespace(monotonic=clock))
    with Solver(Config(model_name="simulated", prm_name="simulated")) as solver:
        found = solver.solve(QUESTION, method="beam_search", N=64, timeout=1e6)
    assert found.outcome.stopped == "timeout"
    assert found.partial is not None or found.path is not None
    assert found.usage.generated_tokens > 0
