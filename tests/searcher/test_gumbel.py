"""Gumbel search and sequential halving."""

from __future__ import annotations

from collections import Counter

import pytest
from worlds import asked_in, at, run, scripted_space, sim_problem, sim_space, table

from tt_scale.core.path import Path
from tt_scale.errors import ConfigError
from tt_scale.searcher.gumbel import Gumbel
from tt_scale.searcher.parts.halving import considered_visits
from tt_scale.searcher.parts.tree import Node, back_up, scaled_values

TREE = """
    0.0      .6
    0.1      .5
    0.0.0    .2
    0.0.1    .1
    0.1.0    .9  end
    0.1.1    .3
    0.1.1.0  .1
    0.1.1.1  .1
"""


@pytest.mark.parametrize(
    ("candidates", "simulations", "plan"),
    [
        (4, 8, [0, 0, 0, 0, 1, 1, 2, 2]),
        (10, 20, [0] * 10 + [1] * 5 + [2, 2, 3, 3] + [4]),  # 10 x 1, 5 x 1, 2 x 2, and one left over
        (16, 64, [0] * 16 + [1] * 8 + [2] * 8 + [visits for first in range(3, 7) for visits in [first] * 4]),
        (1, 3, [0, 1, 2]),
        (3, 8, [0, 0, 0, 1, 1, 2, 2, 3]),
        (8, 3, [0, 0, 0]),
    ],
)
def test_halving_worked_values(candidates: int, simulations: int, plan: list[int]) -> None:
    """The schedules of the two public codes, worked out by hand; (16, 64) is 16 x 1, 8 x 2, 4 x 4, 2 x 8."""
    made = considered_visits(candidates, simulations)
    assert made[: len(plan)] == plan
    assert len(made) == simulations
    assert (candidates, simulations) != (16, 64) or Counter(made[48:]) == dict.fromkeys(range(7, 15), 2)


@pytest.mark.parametrize("candidates", range(1, 12))
def test_halving_can_always_be_followed(candidates: int) -> None:
    """A schedule that asks for a candidate with visits that none has ends the search with an error."""
    visits = [0] * candidates
    for wanted in considered_visits(candidates, 40):
        visits[visits.index(wanted)] += 1
    assert sum(visits) == 40


def test_scaled_values_worked_values() -> None:
    """Values are put on [0, 1] among siblings before they weigh (50 + 2) * .1 against the noise."""
    children = [Node(Path((0, child), score=score)) for child, score in enumerate([0.2, 0.4, 0.3])]
    children[2].visits, children[2].total = 2, 1.2
    assert scaled_values(children, 0.1, 50.0) == pytest.approx([0.0, 2.6, 5.2])
    assert scaled_values(children[:1], 0.1, 50.0) == [0.0]


def test_hand_drawn_tree() -> None:
    """Without noise and with 2 candidates x 2 visits: the second visits show that 0.1 leads further than 0.0 does.

    Step 1: first visits read .6 and .5; second visits expand and read .2 and .9, so means are .4 and .7: 0.1 is played.
    Step 2: what was drawn is known; the finished 0.1.0 stays at .9, below 0.1.1 is .1: 0.1.0 is played.
    """
    space = scripted_space(table(TREE))
    outcome = run(Gumbel(beam_width=2, simulations=4, gumbel_scale=0.0), space)
    assert asked_in(space) == [at(0.8, "0.0-1"), at(0.8, "0.0.0-1"), at(0.8, "0.1.0-1"), at(0.8, "0.1.1.0-1")]
    assert [path.key for path in outcome.pool] == [(0, 1, 0)]
    assert outcome.stopped == "enough"


def test_visits_below_a_candidate_follow_the_policy() -> None:
    """Going down by the best value alone visits one child for ever; shares of visits must tend to the policy."""
    children = [Node(Path((0, child), score=score)) for child, score in enumerate([0.5, 0.5, 0.2])]
    method = Gumbel(visit_offset=0.0, value_scale=0.0)  # a flat policy
    for _ in range(9):
        chosen = method._interior(children)
        back_up([chosen], chosen.path.score)
    assert [child.visits for child in children] == [3, 3, 3]
    steep = [Node(Path((0, child), score=score)) for child, score in enumerate([0.5, 0.5, 0.2])]
    for _ in range(12):
        chosen = Gumbel()._interior(steep)  # e^5 : e^5 : 1
        back_up([chosen], chosen.path.score)
    assert [child.visits for child in steep] == [6, 6, 0]


def test_without_second_visits_it_is_greedy_by_prm() -> None:
    """As many simulations as candidates read known scores only: nothing but the played path is expanded."""
    space = sim_space()
    run(Gumbel(beam_width=3, simulations=3, gumbel_scale=0.0), space)
    assert space.expansions == 5
    parents = {node.key[:-1] for node in space.nodes}
    for depth in range(2, 6):
        level = [node for node in space.nodes if len(node.key) == depth]
        assert max(level, key=lambda node: node.score).key in parents


def test_noise_alone_plays_every_child_equally_often() -> None:
    """The Gumbel-max trick: without weight on values the choice is a fair draw from the (uniform) prior."""
    from scipy.stats import chisquare

    played = Counter()  # type: ignore[var-annotated]
    for number in range(900):
        space = sim_space(sim_problem(number, steps=2))
        run(Gumbel(beam_width=3, simulations=3, value_scale=0.0), space)
        played[space.nodes[-1].key[1]] += 1
    assert set(played) == {0, 1, 2}
    assert chisquare(list(played.values())).pvalue > 0.01


def test_dead_ends_are_worth_nothing() -> None:
    """A candidate below which everything fails must lose against a worse-scored one that leads on."""
    tree = """
        0.0    .9
        0.1    .5
        0.0.0  .9  fail
        0.0.1  .9  fail
        0.1.0  .5  end
        0.1.1  .5  end
    """
    space = scripted_space(table(tree))
    outcome = run(Gumbel(beam_width=2, simulations=4, gumbel_scale=0.0), space)
    assert outcome.pool[0].key == (0, 1, 0)
    assert outcome.stopped == "enough"


@pytest.mark.parametrize("knob", ["simulations", "considered", "gumbel_scale", "value_scale", "visit_offset"])
def test_bad_knobs_are_explained(knob: str) -> None:
    """A negative count or scale turns the search against itself."""
    with pytest.raises(ConfigError, match=f"{knob} is -1; it is at least"):
        Gumbel(**{knob: -1})  # type: ignore[arg-type]
