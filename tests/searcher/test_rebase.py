"""REBASE."""

from __future__ import annotations

import math

import pytest
from worlds import asked_in, at, run, scripted_space, sim_problem, sim_space, table

from tt_scale.errors import ConfigError
from tt_scale.searcher.rebase import Rebase


def test_hand_drawn_split() -> None:
    """A width of 4 over e^(score / .25) in proportion .7 : .2 : .1 is 3, 1, 0; a finished path takes one off."""
    tree = """
        0.0      .9
        0.1      .5868
        0.2      .4135
        0.3      .9     full
        0.0.0    .9     end
        0.0.1    .5
        0.0.2    .5
        0.1.0    .5
        0.0.1.0  .9     fail
        0.0.2.0  .7     end
        0.1.0.0  .7
        0.1.0.0.0-1  .7  end
    """
    space = scripted_space(table(tree))
    outcome = run(Rebase(N=4, balance_temperature=0.25), space)
    assert asked_in(space) == [
        at(0.8, "0.0-3"),
        at(0.8, "0.0.0-2", "0.1.0"),
        at(0.8, "0.0.1.0", "0.0.2.0", "0.1.0.0"),  # 3 are left
        at(0.8, "0.1.0.0.0-1"),  # the failed one is tried again elsewhere
    ]
    assert [path.key[1:] for path in outcome.pool] == [(0, 0), (0, 2, 0), (1, 0, 0, 0), (1, 0, 0, 1)]
    assert outcome.stopped == "enough"


def test_even_split_is_independent_chains() -> None:
    """At infinite temperature, and while nothing is finished, every path gets one child: N chains."""
    space = sim_space()
    outcome = run(Rebase(N=6, balance_temperature=math.inf), space)
    assert len(outcome.pool) == 6
    assert all(set(node.key[2:]) <= {0} for node in space.nodes)


def test_one_is_one_chain() -> None:
    """With width 1 nothing can be chosen: one plain chain."""
    space = sim_space()
    run(Rebase(N=1), space)
    assert [node.key for node in space.nodes] == [(0, *(0,) * depth) for depth in range(1, 6)]


@pytest.mark.parametrize("number", range(10))
def test_width_is_what_is_left(number: int) -> None:
    """A width that does not shrink as solutions finish spends more than was asked for."""
    space = sim_space(sim_problem(number))
    outcome = run(Rebase(N=8), space)
    assert len(outcome.pool) == 8  # in this world all finish at the same depth and none is cut
    assert len(space.nodes) == 8 * 5


def test_cold_split_follows_the_best() -> None:
    """Near temperature 0 all of a depth have the best path for their parent."""
    space = sim_space()
    run(Rebase(N=4, balance_temperature=1e-6), space)
    for depth in range(3, 7):
        parents = {node.key[:-1] for node in space.nodes if len(node.key) == depth}
        scores = {node.key: node.score for node in space.nodes if len(node.key) == depth - 1}
        assert parents == {max(scores, key=lambda key: scores[key])}


def test_bad_temperature_is_explained() -> None:
    """Temperature 0 divides by zero in the middle of a run."""
    with pytest.raises(ConfigError, match="balance_temperature is 0"):
        Rebase(balance_temperature=0)
