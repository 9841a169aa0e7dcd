"""Methods that coincide at a corner grow equal trees there, seed for seed, and hand in equal pools."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

import pytest
from worlds import run, sim_problem, sim_space, tree_of

from tt_scale.base_classes import Searcher
from tt_scale.config import Config
from tt_scale.core.path import Key, best
from tt_scale.registry import BUILT_IN
from tt_scale.registry import searcher_class as method_class
from tt_scale.searcher.beam_search import BeamSearch
from tt_scale.searcher.best_first import BestFirst
from tt_scale.searcher.collective_backtrack import CollectiveBacktrack
from tt_scale.searcher.dvts import DVTS
from tt_scale.searcher.gumbel import Gumbel
from tt_scale.searcher.independent_backtrack import IndependentBacktrack
from tt_scale.searcher.mcts import MCTS
from tt_scale.searcher.particle_filter import ParticleFilter
from tt_scale.searcher.particle_gibbs import ParticleGibbs
from tt_scale.searcher.rebase import Rebase
from tt_scale.space.search_space import SearchSpace

HEAT = 0.8
WHOLE = {"best_of_n", "deepconf", "greedy", "self_consistency"}  # they draw a solution with one request, from one seed
RETURNING = {"power_backtrack", "subpool"}  # they may come back to a prefix, whatever their width


async def chains(space: SearchSpace, count: int) -> None:
    """Independent samples, step by step."""
    [paths] = await space.expand(space.roots(), count, temperature=HEAT)
    while paths := [path for path in paths if path.is_open]:
        paths = [child for family in await space.expand(paths, 1, temperature=HEAT) for child in family]


async def greedy_by_prm(space: SearchSpace, width: int) -> None:
    """Of so many children the best one, again and again."""
    [path] = space.roots()
    while path.is_open:
        [children] = await space.expand([path], width, temperature=HEAT)
        [path] = best(children, 1)


def grown(number: int, grow: Callable[[SearchSpace], Any]) -> list[tuple[Key, float, str]]:
    """The tree that something grows over a problem, in the order of its keys: siblings may be drawn in any order."""
    space = sim_space(sim_problem(number, level=1 + number % 5))
    grow(space)
    return sorted(tree_of(space))


def by(searcher: Searcher) -> Callable[[SearchSpace], Any]:
    return lambda space: run(searcher, space)


ONE = {"max_total_branches": 1, "keeping_branches": 1, "passing_minimum": 1, "N": 1}
SAMPLES: dict[str, tuple[Searcher, int]] = {
    "best first, N 1": (BestFirst(N=1, temp_origin=HEAT), 1),
    "best first, tau 0": (BestFirst(tau=0.0, temp_origin=HEAT), 1),
    "collective, tau 0 and width 1": (CollectiveBacktrack(tau=0.0, temp_origin=HEAT, **ONE), 1),  # type: ignore[arg-type]
    "independent, tau 0": (IndependentBacktrack(tau=0.0, tau_relax=0.0, temp_origin=HEAT), 1),
    "beam of one, width 1": (BeamSearch(n_beams=1, beam_width=1), 1),
    "beam of six, width 1": (BeamSearch(n_beams=6, beam_width=1, N=6), 6),
    "one tree of width 1": (DVTS(n_beams=1, beam_width=1), 1),
    "one particle": (ParticleFilter(N=1), 1),
    "particles never drawn anew": (ParticleFilter(N=6, ess_threshold=0.0), 6),
    "one particle, many sweeps": (ParticleGibbs(N=1, sweeps=3), 1),
    "rebase of width 1": (Rebase(N=1), 1),
    "rebase at infinite temperature": (Rebase(N=6, balance_temperature=math.inf), 6),
    "one walk over single children": (MCTS(N=1, beam_width=1), 1),
    "gumbel over single children": (Gumbel(beam_width=1), 1),
}


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("corner", SAMPLES)
def test_corners_that_are_independent_samples(corner: str, number: int) -> None:
    """A width of 1 that still chooses, or a retry where everything passes, is not the method that it is called."""
    searcher, count = SAMPLES[corner]
    assert grown(number, by(searcher)) == grown(number, lambda space: asyncio.run(chains(space, count)))


GREEDY: dict[str, Searcher] = {
    "dvts with one tree": DVTS(n_beams=1, beam_width=4),
    "one walk": MCTS(N=1, beam_width=4),
    "gumbel without noise and second visits": Gumbel(beam_width=4, simulations=4, gumbel_scale=0.0),
    "beam of one that ends with its first answer": BeamSearch(n_beams=1, beam_width=4, N=1),
}


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("corner", GREEDY)
def test_corners_that_are_greedy_by_prm(corner: str, number: int) -> None:
    """One path that takes the best child each time, under four names."""
    assert grown(number, by(GREEDY[corner])) == grown(number, lambda space: asyncio.run(greedy_by_prm(space, 4)))


@pytest.mark.parametrize("method", sorted(BUILT_IN["searchers"].keys() - WHOLE - RETURNING))
def test_a_budget_of_one_is_one_sample(method: str) -> None:
    """The smallest budget must be the same for all, or a curve over budgets begins at different places."""
    made = method_class(method).from_config(Config(method=method, budget=1, tau=0.0, tau_relax=0.0, temp_origin=HEAT))
    for number in range(3):
        assert grown(number, by(made)) == grown(number, lambda space: asyncio.run(chains(space, 1)))


@pytest.mark.parametrize("number", range(5))
def test_one_sweep_drawn_at_every_step_is_the_particle_filter_of_the_paper(number: int) -> None:
    """Particle Gibbs with one sweep, and the filter with a multinomial draw at each step."""
    filtered = ParticleFilter(N=6, resampling="multinomial", ess_threshold=1.0)
    assert grown(number, by(ParticleGibbs(N=6, sweeps=1))) == grown(number, by(filtered))


@pytest.mark.parametrize("number", range(5))
def test_a_cold_filter_grows_from_the_best_alone(number: int) -> None:
    """Near temperature 0 a draw at every step leaves copies of the best child only: a beam that keeps one."""
    space = sim_space(sim_problem(number))
    run(ParticleFilter(N=4, ess_threshold=1.0, weight_temperature=1e-6), space)
    for depth in range(3, max(len(node.key) for node in space.nodes) + 1):
        before = [node for node in space.nodes if len(node.key) == depth - 1]
        assert {node.key[:-1] for node in space.nodes if len(node.key) == depth} == {best(before, 1)[0].key}
