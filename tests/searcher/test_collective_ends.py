"""Collective backtracking on hand-drawn trees: its options, and how it ends. See `test_collective.py`."""

from __future__ import annotations

from collections import Counter
from itertools import product

import pytest
from worlds import asked_in, at, run, scripted_space, table

from tt_scale.core.path import Outcome, Path, name
from tt_scale.searcher.collective_backtrack import CollectiveBacktrack, share_evenly
from tt_scale.space.search_space import SearchSpace


def pool_of(outcome: Outcome) -> set[str]:
    return {name(path.key) for path in outcome.pool}


def kinds(space: SearchSpace) -> list[str]:
    return [event.kind for event in space.events]


def test_without_backtracking() -> None:
    """`backtrack: false` that still retries, or that ends where nothing passes.

    0 -- 0.0 .1                         round 1: none passes: the best two go on: 2.0, 1.0
    1 -- 1.0 .2 -- 1.0.0 .7*            round 2: one passes: it alone is kept
    2 -- 2.0 .3 -- 2.0.0 .5
    1.0.0 -- 1.0.0.0 .2!                round 3: none passes: the best of one, an answer
    """
    space = scripted_space(table("0.0 .1 \n 1.0 .2 \n 2.0 .3 \n 1.0.0 .7 \n 2.0.0 .5 \n 1.0.0.0 .2 end"))
    outcome = run(CollectiveBacktrack(backtrack=False, keeping_branches=2, N=1), space)
    assert asked_in(space) == [at(0.7, "0.0", "1.0", "2.0"), at(0.7, "1.0.0", "2.0.0"), at(0.7, "1.0.0.0")]
    assert pool_of(outcome) == {"1.0.0.0"}
    assert kinds(space) == []


def test_always_expand_proposes_everything_on_first_attempts() -> None:
    """`always_expand` accepted and ignored.

    roots 0 and 1 share five children, 3 + 2 (equal scores: the smaller key gets the remainder), at 0.7
    """
    tree = "0.0-2 .1 \n 1.0 .9 \n 1.1 .8 \n 1.0.0-2 .9 end \n 1.1.0-1 .9 end"
    space = scripted_space(table(tree))
    run(CollectiveBacktrack(passing_minimum=2, keeping_branches=2, max_total_branches=5, always_expand=True), space)
    assert asked_in(space) == [at(0.7, "0.0-2", "1.0-1"), at(0.7, "1.0.0-2", "1.1.0-1")]


def test_steps_back_to_the_parents_parents_before_the_jump() -> None:
    """`backtrack_depth` accepted and ignored, or stepping back without end.

    0 -- 0.0 .7*                    round 1: commit
         0.0 -- 0.0.0 .1            round 2
             \\- 0.0.1-2 .1          round 3 at 0.8: retries used up, one level above is left: F = {0}
      \\- 0.1 .2                     round 4 at 0.7: a new attempt at the root
      \\- 0.2-3 .3                   round 5 at 0.8: used up again, and no level left
      \\- 0.4 .4*  0.5 .5*           round 6 at 0.9: jump; the best one is kept
    0.5 -- 0.5.0 .9*!
    """
    tree = """0.0 .7 \n 0.0.0 .1 \n 0.0.1-2 .1 \n 0.1 .2 \n 0.2-3 .3 \n 0.4 .4 \n 0.5 .5 \n 0.5.0 .9 end"""
    space = scripted_space(table(tree))
    method = CollectiveBacktrack(
        passing_minimum=1, keeping_branches=1, max_total_branches=2, max_backtracks=1, backtrack_depth=2, N=1
    )
    outcome = run(method, space)
    assert asked_in(space) == [
        at(0.7, "0.0"),
        at(0.7, "0.0.0"),
        at(0.8, "0.0.1-2"),
        at(0.7, "0.1"),
        at(0.8, "0.2-3"),
        at(0.9, "0.4-5"),
        at(0.7, "0.5.0"),
    ]
    assert outcome.stopped == "enough"
    assert Counter(kinds(space))["jump"] == 1


def test_steps_back_once_for_each_extra_level() -> None:
    """Stepping back until the root is reached, whatever `backtrack_depth` says.

    0 -- 0.0 .7* -- 0.0.0 .7* -- 0.0.0.0 .1, retry 0.0.0.1 .1
    depth 2: one level back, to 0.0: 0.0.1 .1, retry 0.0.2 .1; then the jump, 0.0.3; depth 3: to 0: 0.1
    """
    tree = "0.0 .7 \n 0.0.0 .7 \n 0.0.0.0-1 .1 \n 0.0.1-2 .1 \n 0.0.3 .2 end \n 0.1 .9 end"
    for depth, last in [(2, at(0.9, "0.0.3")), (3, at(0.7, "0.1"))]:
        space = scripted_space(table(tree))
        method = CollectiveBacktrack(
            passing_minimum=1, keeping_branches=1, max_total_branches=1, max_backtracks=1, backtrack_depth=depth, N=1
        )
        run(method, space)
        assert asked_in(space)[2:] == [
            at(0.7, "0.0.0.0"), at(0.8, "0.0.0.1"), at(0.7, "0.0.1"), at(0.8, "0.0.2"), last
        ]  # fmt: skip


def test_a_commit_renews_the_levels_to_step_back() -> None:
    """Stepping back once in a search instead of once before each jump.

    0.0 .7 passes; below it nothing: back to the root, where 0.1 .8 passes and commits; below 0.1 nothing again:
    back to the root a second time, where 0.2 .9 finishes.
    """
    tree = """0.0 .7 \n 0.0.0 .1 \n 0.1 .8 \n 0.1.0 .1 \n 0.2 .9 end \n 0.0.1 .1 \n 0.1.1 .1"""
    space = scripted_space(table(tree))
    method = CollectiveBacktrack(
        passing_minimum=1, keeping_branches=1, max_total_branches=1, max_backtracks=1, backtrack_depth=2, N=1
    )
    outcome = run(method, space)
    assert [sorted(asked) for asked in asked_in(space)] == [
        ["0.0 @0.7"], ["0.0.0 @0.7"], ["0.0.1 @0.8"],
        ["0.1 @0.7"], ["0.1.0 @0.7"], ["0.1.1 @0.8"], ["0.2 @0.7"],
    ]  # fmt: skip
    assert pool_of(outcome) == {"0.2"}
    assert "jump" not in kinds(space)


def test_ends_with_an_empty_frontier() -> None:
    """A search that expands nothing for ever once every path has finished before N is reached."""
    space = scripted_space(table("0.0 .9 end"))
    outcome = run(CollectiveBacktrack(passing_minimum=1, N=4), space)
    assert (outcome.stopped, pool_of(outcome)) == ("frontier", {"0.0"})


@pytest.mark.parametrize("most", [1, 2, 3])
def test_max_steps_counts_levels_and_retries_are_free(most: int) -> None:
    """Retries that use up the steps: one search in six ended without an answer.

    All children score .1: at each level nine retries, then a jump; the last level grows to its end.
    """
    tree = {}
    for depth in range(1, most + 1):
        kind = "end" if depth == most else "step"
        tree |= dict.fromkeys(product((0,), *[range(30)] * depth), (0.1, kind))
    space = scripted_space(tree)
    method = CollectiveBacktrack(passing_minimum=1, max_total_branches=2, max_backtracks=9, max_steps=most, N=1)
    outcome = run(method, space)
    assert space.expansions == 11 * most
    assert [len(path.key) - 1 for path in outcome.pool] == [most] * len(outcome.pool)
    assert outcome.stopped == "enough"


def test_ends_by_the_budget_with_what_it_has() -> None:
    """A budget that throws the pool away, or is noticed only after the next round.

    a step is seven tokens, an answer nine; the budget is 16: 0.0 .9*!  and 1.0 .7*, then nothing more
    """
    space = scripted_space(table("0.0 .9 end \n 1.0 .7"), max_generated_tokens=len("\\boxed{0}") + 7, k_tokens=9)
    outcome = run(CollectiveBacktrack(passing_minimum=2, N=4), space)
    assert (outcome.stopped, pool_of(outcome)) == ("budget", {"0.0"})


@pytest.mark.parametrize(
    ("scores", "width", "shares"),
    [
        ((0.5,), 9, [9]),
        ((0.1, 0.9, 0.5), 9, [3, 3, 3]),
        ((0.1, 0.9, 0.5), 10, [3, 4, 3]),
        ((0.1, 0.9, 0.5), 11, [3, 4, 4]),
        ((0.5, 0.5, 0.5), 11, [4, 4, 3]),
        ((0.1, 0.9, 0.5), 2, [0, 1, 1]),
    ],
)
def test_share_evenly(scores: tuple[float, ...], width: int, shares: list[int]) -> None:
    """Children that get lost in a division, or a remainder that goes to whoever comes first."""
    frontier = [Path(key=(number,), score=score) for number, score in enumerate(scores)]
    assert share_evenly(frontier, width) == shares
