"""Particle Gibbs."""

from __future__ import annotations

from collections import Counter

import pytest
from worlds import asked_in, at, run, scripted_space, sim_problem, sim_space, table, tree_of

from tt_scale.errors import ConfigError
from tt_scale.generator.simulated import World
from tt_scale.searcher.particle_filter import ParticleFilter
from tt_scale.searcher.particle_gibbs import ParticleGibbs


@pytest.mark.parametrize("number", range(5))
def test_one_sweep_is_a_particle_filter(number: int) -> None:
    """Without a held solution a sweep is the plain filter, draw for draw."""
    gibbs, plain = sim_space(sim_problem(number)), sim_space(sim_problem(number))
    first = run(ParticleGibbs(N=6, sweeps=1), gibbs)
    second = run(ParticleFilter(N=6, resampling="multinomial", ess_threshold=1.0), plain)
    assert tree_of(gibbs) == tree_of(plain)
    assert first.pool == second.pool


@pytest.mark.parametrize("number", range(10))
def test_a_later_sweep_adds_one_particle_less_and_keeps_every_solution(number: int) -> None:
    """The held solution takes a place; a pool that forgets the sweeps before it loses what was paid for."""
    one, two = sim_space(sim_problem(number)), sim_space(sim_problem(number))
    first = run(ParticleGibbs(N=5, sweeps=1), one)
    second = run(ParticleGibbs(N=5, sweeps=2), two)
    assert tree_of(two)[: len(one.nodes)] == tree_of(one)
    assert second.pool[: len(first.pool)] == first.pool
    depths = Counter(len(node.key) for node in two.nodes[len(one.nodes) :])
    assert depths[2] == 4
    assert max(depths.values()) <= 4


def test_the_held_solution_is_grown_from_where_it_stood() -> None:
    """A held solution that competes as a whole is only copied: who draws it must go on from its prefix, at its depth.

    Scores of 0 and 1 leave nothing to chance. Sweep 1 draws both particles to 0.0 and holds 0.0.0; in sweep 2 the free
    particle reaches 0.2, loses it against 0.0, and goes on from there.
    """
    tree = """
        0.0      1
        0.1      0
        0.0.0    1  end
        0.0.1    0  end
        0.2      0
        0.0.2    0  end
    """
    space = scripted_space(table(tree))
    outcome = run(ParticleGibbs(N=2, sweeps=2), space)
    assert asked_in(space) == [at(0.8, "0.0-1"), at(0.8, "0.0.0-1"), at(0.8, "0.2"), at(0.8, "0.0.2")]
    assert [path.key for path in outcome.pool] == [(0, 0, 0), (0, 0, 1), (0, 0, 2)]
    assert outcome.stopped == "enough"


def test_a_short_held_solution_competes_with_its_last_score() -> None:
    """A sweep that goes deeper than the held solution must neither fail nor forget it."""
    tree = """
        0.0      1  end
        0.1      0
        0.2      1
        0.2.0    0
    """
    space = scripted_space(table(tree))
    outcome = run(ParticleGibbs(N=2, sweeps=2, max_steps=4), space)
    # sweep 1 ends with both at 0.0; in sweep 2 the free particle wins or loses an even draw at depth 1, and has lost
    # against the held one by depth 2 at the latest
    assert [path.key for path in outcome.pool] == [(0, 0)]
    assert asked_in(space)[:2] == [at(0.8, "0.0-1"), at(0.8, "0.2")]
    assert asked_in(space)[2:] in ([], [at(0.8, "0.2.0")])
    assert outcome.stopped == "enough"


def test_alone_it_is_one_chain() -> None:
    """One particle that is held leaves none to grow: no endless loop, no empty expansion."""
    space = sim_space()
    outcome = run(ParticleGibbs(N=1, sweeps=3), space)
    assert len(outcome.pool) == 1
    assert len(space.nodes) == space.expansions == 5


def test_more_sweeps_find_more() -> None:
    """A chain that does not move is paid for and finds nothing: sweeps must add right solutions."""

    def solved(sweeps: int) -> int:
        world = World(slip=(0.4,) * 5, repair=0.0)
        spaces = [sim_space(sim_problem(number), world=world) for number in range(80)]
        pools = [run(ParticleGibbs(N=4, sweeps=sweeps), space).pool for space in spaces]
        return sum(
            any(f"{{{space.problem.answer}}}" in path.text for path in pool)
            for space, pool in zip(spaces, pools, strict=True)
        )

    assert solved(4) > solved(1) + 5


@pytest.mark.parametrize(("args", "words"), [({"sweeps": 0}, "at least 1"), ({"weight_temperature": -1}, "above 0")])
def test_bad_knobs_are_explained(args: dict[str, object], words: str) -> None:
    """No sweep at all would be a pool without solutions."""
    with pytest.raises(ConfigError, match=words):
        ParticleGibbs(**args)  # type: ignore[arg-type]
