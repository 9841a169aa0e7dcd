"""Monte-Carlo tree search."""

from __future__ import annotations

from math import log

import pytest
from worlds import asked_in, at, run, scripted_space, sim_problem, sim_space, table, tree_of

from tt_scale.core.path import Path
from tt_scale.errors import ConfigError
from tt_scale.searcher.dvts import DVTS
from tt_scale.searcher.mcts import MCTS, puct
from tt_scale.searcher.parts.tree import Node, back_up

TREE = """
    0.0      .6
    0.1      .2
    0.0.0    .4  end
    0.0.1    .3
    0.1.0    .3
    0.1.1    .9
    0.1.1.0  .95 end
    0.1.1.1  .1  end
    0.0.1.0  .2  end
    0.0.1.1  .8  fail
"""


def test_puct_worked_values() -> None:
    """An unvisited parent explores nothing; the term falls with visits of the child, grows with those of the parent."""
    assert puct(0.5, 0, 0) == 0.0
    assert puct(0.5, 1, 0) == pytest.approx(0.5 * (1.25 + log(19654 / 19652)))
    assert puct(0.5, 4, 1, exploration=2.0, base=5.0) == pytest.approx(0.5 * 2 / 2 * (2 + log(10 / 5)))
    assert puct(0.5, 4, 1, exploration=0.0) == 0.0


def test_hand_drawn_tree() -> None:
    """Three walks by hand: the first by scores, the second explores, the third passes a closed end.

    Walk 2 at the root: 0.0 is worth .4 + .5 * 1/2 * 1.25 = .71, and 0.1 is worth .2 + .5 * 1 * 1.25 = .83.
    Walk 3: 0.1 is worth .95 + .44 now, 0.0 only .4 + .44; below, 0.1.1 is worth .95 + .31, 0.1.0 only .3 + .63.
    """
    space = scripted_space(table(TREE))
    outcome = run(MCTS(N=3, beam_width=2), space)
    assert asked_in(space) == [at(0.8, "0.0-1"), at(0.8, "0.0.0-1"), at(0.8, "0.1.0-1"), at(0.8, "0.1.1.0-1")]
    assert [path.key for path in outcome.pool] == [(0, 0, 0), (0, 1, 1, 0), (0, 1, 1, 1)]
    assert outcome.stopped == "enough"


def test_without_exploration_it_follows_the_values() -> None:
    """Walk 2 stays below 0.0, worth .4 against .2, and passes the end that it has been to."""
    space = scripted_space(table(TREE))
    outcome = run(MCTS(N=2, beam_width=2, exploration=0.0), space)
    assert [path.key for path in outcome.pool] == [(0, 0, 0), (0, 0, 1, 0)]


@pytest.mark.parametrize("number", range(5))
def test_one_path_is_greedy_by_prm(number: int) -> None:
    """Before anything was backed up only scores can steer: the tree of a single diverse verifier tree."""
    space, tree = sim_space(sim_problem(number)), sim_space(sim_problem(number))
    outcome = run(MCTS(N=1, beam_width=3), space)
    greedy = run(DVTS(n_beams=1, beam_width=3), tree)
    assert tree_of(space) == tree_of(tree)
    assert outcome.pool[0] in greedy.pool


def test_equal_values_are_visited_in_turn() -> None:
    """With nothing to choose between, exploration must go round."""
    parent = Node(Path((0,)), children=[Node(Path((0, child), score=0.5)) for child in range(3)])
    turns = []
    for _ in range(7):
        child = MCTS()._choice(parent, parent.children or [])
        back_up([parent, child], 0.5)
        turns.append(child.path.key[1])
    assert turns == [0, 1, 2, 0, 1, 2, 0]


def test_every_path_ends_somewhere_new() -> None:
    """Walks that repeat an end cost nothing, find nothing, and vote twice."""
    for number in range(5):
        outcome = run(MCTS(N=12), sim_space(sim_problem(number)))
        assert len({path.key for path in outcome.pool}) == len(outcome.pool) == 12


def test_a_tree_that_is_done_ends_the_search() -> None:
    """Where every end was visited, more walks would go on for ever."""
    tree = "0.0 .5 end\n0.1 .4 fail\n0.2 .3 end"
    outcome = run(MCTS(N=9, beam_width=3), scripted_space(table(tree)))
    assert [path.key for path in outcome.pool] == [(0, 0), (0, 2)]
    assert outcome.stopped == "frontier"


def test_walks_are_bounded_where_nothing_ends() -> None:
    """Paths that never finish make a tree without end: at most N walks of `max_steps` steps."""
    space = sim_space(sim_problem(steps=500), max_tokens=100_000, max_model_len=200_000)
    outcome = run(MCTS(N=3, max_steps=6), space)
    assert not outcome.pool
    assert outcome.stopped == "steps"
    assert space.expansions <= 18


@pytest.mark.parametrize(("args", "words"), [({"exploration": -1}, "at least 0"), ({"exploration_base": 0}, "above 0")])
def test_bad_knobs_are_explained(args: dict[str, object], words: str) -> None:
    """A base of 0 divides by zero in the middle of a run."""
    with pytest.raises(ConfigError, match=words):
        MCTS(**args)  # type: ignore[arg-type]
