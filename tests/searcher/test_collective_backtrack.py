"""Collective backtracking on hand-drawn trees: what each attempt asks for, and what becomes of it.

In the drawings a child stands with its score; `*` passes (tau is 0.6), `!` finishes. Each round of the search is one
line. A child that is not drawn does not exist, so that a search which asks for it fails.
"""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from math import ceil

import pytest
from worlds import asked_in, at, run, scripted_space, sim_problem, sim_space, table

from tt_scale.core.path import Outcome, name
from tt_scale.generator.simulated import World
from tt_scale.searcher.collective_backtrack import CollectiveBacktrack
from tt_scale.space.search_space import SearchSpace


def pool_of(outcome: Outcome) -> set[str]:
    return {name(path.key) for path in outcome.pool}


def kinds(space: SearchSpace) -> list[str]:
    return [event.kind for event in space.events]


def test_commits_on_the_first_attempt() -> None:
    """A score of exactly tau that fails, or a first attempt that already proposes `max_total_branches`.

    0 -- 0.0 .7* -- 0.0.0 .8*!      round 1: two pass, commit      round 2: two pass, N = 2
    1 -- 1.0 .9* -- 1.0.0 .6*!
    """
    space = scripted_space(table("0.0 .7 \n 1.0 .9 \n 0.0.0 .8 end \n 1.0.0 .6 end"))
    outcome = run(CollectiveBacktrack(passing_minimum=2, N=2), space)
    assert asked_in(space) == [at(0.7, "0.0", "1.0"), at(0.7, "0.0.0", "1.0.0")]
    assert pool_of(outcome) == {"0.0.0", "1.0.0"}
    assert outcome.stopped == "enough"
    assert kinds(space) == []


def test_passing_finished_children_count_towards_the_commit() -> None:
    """Finished children left out of the count make a search retry although enough steps passed.

    0 -- 0.0 .9*!                   round 1: one open and one finished pass: 2 >= 2, commit {1.0}
    1 -- 1.0 .7* -- 1.0.0 .9*!      round 2: N = 2
    """
    space = scripted_space(table("0.0 .9 end \n 1.0 .7 \n 1.0.0 .9 end"))
    outcome = run(CollectiveBacktrack(passing_minimum=2, N=2), space)
    assert asked_in(space) == [at(0.7, "0.0", "1.0"), at(0.7, "1.0.0")]
    assert pool_of(outcome) == {"0.0", "1.0.0"}
    assert outcome.stopped == "enough"


def test_finished_children_pass_through_tau() -> None:
    """A bad answer that enters the pool because it happens to be an answer.

    0 -- 0.0 .5!                    round 1: nothing passes
      \\- 0.1 .9*!  0.2 .1  0.3 .2   round 2, hotter, three children: 0.1 passes, N = 1
    """
    space = scripted_space(table("0.0 .5 end \n 0.1 .9 end \n 0.2 .1 \n 0.3 .2"))
    outcome = run(CollectiveBacktrack(passing_minimum=1, max_total_branches=3, N=1), space)
    assert asked_in(space) == [at(0.7, "0.0"), at(0.8, "0.1-3")]
    assert pool_of(outcome) == {"0.1"}


def test_protected_paths_are_carried_into_the_commit() -> None:
    """Backtracking that throws away what did pass, or forgets to count it.

    0 -- 0.0 .9*                    round 1: one passes, P = {0.0}; all three roots stay (ceil(3 * 3/4) = 3)
      \\- 0.1 0.2 0.3 .1             round 2 at 0.8, three each: 1.2 and 2.3 pass, with P that is 3: commit
    1 -- 1.0 .1
      \\- 1.1 .1  1.2 .7*  1.3 .1
    2 -- 2.0 .2
      \\- 2.1 .1  2.2 .1  2.3 .8*
    round 3 at 0.7 again: the children of 0.0, 2.3 and 1.2 all finish, N = 3
    """
    tree = """0.0 .9 \n 1.0 .1 \n 2.0 .2
        0.1-3 .1 \n 1.1 .1 \n 1.2 .7 \n 1.3 .1 \n 2.1-2 .1 \n 2.3 .8
        0.0.0 .9 end \n 2.3.0 .7 end \n 1.2.0 .6 end"""
    space = scripted_space(table(tree))
    outcome = run(CollectiveBacktrack(N=3), space)
    assert asked_in(space) == [
        at(0.7, "0.0", "1.0", "2.0"),
        at(0.8, "0.1-3", "1.1-3", "2.1-3"),
        at(0.7, "0.0.0", "2.3.0", "1.2.0"),
    ]
    assert pool_of(outcome) == {"0.0.0", "2.3.0", "1.2.0"}
    assert kinds(space) == ["backtrack", "retry"]


def test_a_commit_keeps_the_best_of_passing_and_protected() -> None:
    """A commit that prefers what was protected, or what passed last, over what scored best.

    0 -- 0.0 .7*                     round 1: P = {0.0}
      \\- 0.1 .9*  0.2 .8*  0.3 .1    round 2: three now pass; the best two of .7 .9 .8 go on
    1 -- 1.0 .1
      \\- 1.1-2 .1 .1
    round 3: 0.1 and 0.2 grow, 0.0 is gone
    """
    tree = "0.0 .7 \n 1.0 .1 \n 0.1 .9 \n 0.2 .8 \n 0.3 .1 \n 1.1-2 .1 \n 0.1.0 .7 end \n 0.2.0 .7 end"
    space = scripted_space(table(tree))
    run(CollectiveBacktrack(passing_minimum=2, keeping_branches=2, max_total_branches=5, N=2), space)
    assert asked_in(space)[1:] == [at(0.8, "0.1-3", "1.1-2"), at(0.7, "0.1.0", "0.2.0")]


def test_parents_shrink_by_the_formula_then_jump() -> None:
    """Retries that spread ever hotter samples over hopeless parents, or that end without a jump.

    Frontier .9 .8 .7 (children 0.0, 1.0, 2.0 of the roots), nothing passes any more, eleven children a retry:
    a=0 at 0.7: one each; ceil(3 * 3/4) = 3 parents stay
    a=1 at 0.8: 11 = 4 + 4 + 3, the better-scored get the remainder; means .1 .4 .5: ceil(3 * 2/4) = 2 stay: 2.0, 1.0
    a=2 at 0.9: 11 = 6 + 5, 1.0 is better-scored; means .1 .2: ceil(3 * 1/4) = 1 stays: 2.0
    a=3 at 1.0: 11 for 2.0; ceil(0) = 0, but at least one stays
    jump at 1.1: every child passes; the best three of eleven are kept, and a = 0 again
    """
    tree = """0.0 .9 \n 1.0 .8 \n 2.0 .7
        0.0.0 .5 \n 1.0.0 .3 \n 2.0.0 .1
        0.0.1-4 .1 \n 1.0.1-4 .4 \n 2.0.1-3 .5
        1.0.5-10 .1 \n 2.0.4-8 .2
        2.0.9-19 .3
        2.0.20-27 .1 \n 2.0.28-30 .2
        2.0.28.0 .7 end \n 2.0.29.0 .7 end \n 2.0.30.0 .7 end"""
    space = scripted_space(table(tree))
    outcome = run(CollectiveBacktrack(max_total_branches=11, N=3), space)
    assert asked_in(space)[1:] == [
        at(0.7, "0.0.0", "1.0.0", "2.0.0"),
        at(0.8, "0.0.1-4", "1.0.1-4", "2.0.1-3"),
        at(0.9, "1.0.5-10", "2.0.4-8"),
        at(1.0, "2.0.9-19"),
        at(1.1, "2.0.20-30"),
        at(0.7, "2.0.28.0", "2.0.29.0", "2.0.30.0"),
    ]
    assert outcome.stopped == "enough"
    assert Counter(kinds(space)) == {"backtrack": 4, "retry": 3, "jump": 1}


@pytest.mark.parametrize("keeping", [1, 2, 3, 4, 7, 9])
@pytest.mark.parametrize("backtracks", [0, 1, 2, 3, 5, 6])
def test_surviving_parents_formula(keeping: int, backtracks: int) -> None:
    """ceil() of a float: 7 * (1 - 3/7) is 4.000000000000001, which keeps five instead of four."""
    space = sim_space(sim_problem(), world=World(slip=(1.0,) * 5, repair=0.0), quality=1.0)
    method = CollectiveBacktrack(
        passing_minimum=keeping, keeping_branches=keeping, max_total_branches=9, max_backtracks=backtracks
    )
    run(method, space)
    rounds: dict[float, set[object]] = {}
    for node in space.nodes:
        if len(node.key) == 2:  # attempts at the roots; each attempt has a temperature of its own
            rounds.setdefault(round(node.steps[-1].temperature, 6), set()).add(node.key[:-1])
    kept = [max(1, ceil(keeping * (1 - Fraction(attempt + 1, backtracks + 1)))) for attempt in range(backtracks + 1)]
    assert [len(parents) for _, parents in sorted(rounds.items())] == [keeping, *kept]


def test_protected_paths_survive_a_jump() -> None:
    """A jump that starts anew from its own children and drops what had honestly passed before.

    0 -- 0.0 .9*                    round 1: P = {0.0}; one retry is allowed
    1 -- 1.0 .1                     ceil(3 * 1/2) = 2 roots stay
    2 -- 2.0 .2
    round 2 at 0.8: two each for 0 and 2 (means .9 and .2): all .1, one parent stays: 0, mean .1 and smaller key
    round 3, jump at 0.9: 0.3-6 .2: F = the best three of these and 0.0
    """
    tree = """0.0 .9 \n 1.0 .1 \n 2.0 .2 \n 0.1-2 .1 \n 2.1-2 .1 \n 0.3-6 .2
        0.0.0 .9 end \n 0.3.0 .9 end \n 0.4.0 .9 end"""
    space = scripted_space(table(tree))
    run(CollectiveBacktrack(max_backtracks=1, max_total_branches=4, N=3), space)
    assert asked_in(space)[1:] == [
        at(0.8, "0.1-2", "2.1-2"),
        at(0.9, "0.3-6"),
        at(0.7, "0.0.0", "0.3.0", "0.4.0"),
    ]


def test_truncated_and_failed_children_do_not_pass_even_on_a_jump() -> None:
    """Truncated steps taken for answers when everything is let through.

    0 -- 0.0 .1                     max_backtracks = 0: the next attempt is the jump
      \\- 0.1 full  0.2 fail  0.3 .2  only 0.3 can go on
    0.3 -- 0.3.0 .9*!
    """
    space = scripted_space(table("0.0 .1 \n 0.1 .9 full \n 0.2 .9 fail \n 0.3 .2 \n 0.3.0 .9 end"))
    outcome = run(CollectiveBacktrack(passing_minimum=1, max_backtracks=0, max_total_branches=3, N=1), space)
    assert asked_in(space) == [at(0.7, "0.0"), at(0.8, "0.1-3"), at(0.7, "0.3.0")]
    assert pool_of(outcome) == {"0.3.0"}


def test_truncated_children_do_not_count_as_passing() -> None:
    """A cut child counted by the score that it has from its parent: a commit to nothing.

    0 -- 0.0 .9* -- 0.0.0 full          does not pass: 0.0 backtracks
                \\- 0.0.1 .9*!           the retry does
    """
    space = scripted_space(table("0.0 .9 \n 0.0.0 .9 full \n 0.0.1 .9 end"))
    outcome = run(CollectiveBacktrack(passing_minimum=1, max_total_branches=1, keeping_branches=1, N=1), space)
    assert asked_in(space)[1:] == [at(0.7, "0.0.0"), at(0.8, "0.0.1")]
    assert pool_of(outcome) == {"0.0.1"}


def test_a_jump_lets_finished_children_into_the_pool() -> None:
    """A jump that lets only open children pass.

    0 -- 0.0 .1
      \\- 0.1 .3!  0.2 .2!            jump: both enter the pool
    """
    space = scripted_space(table("0.0 .1 \n 0.1 .3 end \n 0.2 .2 end"))
    outcome = run(CollectiveBacktrack(passing_minimum=1, max_backtracks=0, max_total_branches=2, N=2), space)
    assert pool_of(outcome) == {"0.1", "0.2"}
    assert outcome.stopped == "enough"
