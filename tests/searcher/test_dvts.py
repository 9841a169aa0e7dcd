"""Diverse verifier tree search."""

from __future__ import annotations

import asyncio

import pytest
from worlds import asked_in, at, run, scripted_space, sim_problem, sim_space, table, tree_of

from tt_scale.core.path import Path, best
from tt_scale.searcher.beam_search import BeamSearch
from tt_scale.searcher.dvts import DVTS
from tt_scale.space.search_space import SearchSpace


async def greedy_by_prm(space: SearchSpace, width: int) -> list[Path]:
    """Follow the best of `width` children, as plainly as it can be written."""
    [path] = space.roots()
    trail = []
    while path.is_open:
        [family] = await space.expand([path], width, temperature=0.8)
        [path] = best(family, 1)
        trail.append(path)
    return trail


@pytest.mark.parametrize("number", range(5))
def test_one_tree_is_greedy_by_prm(number: int) -> None:
    """One tree must be the plain loop, child for child."""
    space, plain = sim_space(sim_problem(number)), sim_space(sim_problem(number))
    outcome = run(DVTS(n_beams=1, beam_width=4), space)
    trail = asyncio.run(greedy_by_prm(plain, 4))
    assert tree_of(space) == tree_of(plain)
    assert trail[-1] in outcome.pool


def test_a_tree_does_not_know_of_the_others() -> None:
    """A tree that changes when others are added makes small widths no prefix of large ones."""
    few, many = sim_space(), sim_space()
    run(DVTS(n_beams=2, beam_width=3), few)
    run(DVTS(n_beams=5, beam_width=3), many)
    assert sorted(tree_of(few)) == sorted(node for node in tree_of(many) if node[0][0] < 2)


def test_one_child_each_is_independent_chains() -> None:
    """Width 1 prunes nothing: as many chains as trees, all of them to the end."""
    space = sim_space()
    outcome = run(DVTS(n_beams=6, beam_width=1), space)
    assert len(outcome.pool) == 6
    assert all(set(node.key[1:]) == {0} for node in space.nodes)


def test_hand_drawn_trees() -> None:
    """Finished siblings are answers, truncated ones are not, and a tree whose best child is finished ends."""
    tree = """
        0.0    .3
        0.1    .9  full
        0.0.0  .8  end
        0.0.1  .7
        1.0    .6
        1.1    .5  end
        1.0.0  .1  fail
        1.0.1  .1  full
    """
    space = scripted_space(table(tree))
    outcome = run(DVTS(n_beams=2, beam_width=2), space)
    # tree 0 passes over a full context, then ends on its best child; tree 1 goes on past an answer, and dies
    assert asked_in(space) == [at(0.8, "0.0-1", "1.0-1"), at(0.8, "0.0.0-1", "1.0.0-1")]
    assert [path.key for path in outcome.pool] == [(1, 1), (0, 0, 0)]
    assert outcome.stopped == "frontier"


def test_unset_width_proposes_as_many_as_beam_search() -> None:
    """Methods that propose different numbers of candidates per step are compared at different cost."""
    assert (DVTS().trees, DVTS().width) == (BeamSearch().beams, BeamSearch().width)
    assert DVTS(n_beams=20).width == 1
