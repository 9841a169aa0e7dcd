"""Independent backtracking on hand-drawn trees.

A child stands with its score; `*` passes the bar, which is tau - tau_relax * r = 0.6 - 0.05 r for a path that was
retried r times; `!` finishes. Copies of a path draw further children of that path. A child that is not drawn does not
exist, so that a search which asks for it fails.
"""

from __future__ import annotations

from collections import Counter
from itertools import product

import pytest
from worlds import asked_in, at, run, scripted_space, table

from tt_scale.core.path import Outcome, name
from tt_scale.searcher.independent_backtrack import IndependentBacktrack
from tt_scale.space.search_space import SearchSpace


def pool_of(outcome: Outcome) -> set[str]:
    return {name(path.key) for path in outcome.pool}


def kinds(space: SearchSpace) -> dict[str, int]:
    return dict(Counter(event.kind for event in space.events))


def test_one_root_one_child_straight_to_the_end() -> None:
    """A search that opens with several roots, or draws more than one child of a path that was never retried.

    0 -- 0.0 .6* -- 0.0.0 .9* -- 0.0.0.0 .6*!
    """
    space = scripted_space(table("0.0 .6 \n 0.0.0 .9 \n 0.0.0.0 .6 end"))
    outcome = run(IndependentBacktrack(max_finished_branches=1), space)
    assert asked_in(space) == [at(0.7, "0.0"), at(0.7, "0.0.0"), at(0.7, "0.0.0.0")]
    assert (outcome.stopped, pool_of(outcome)) == ("enough", {"0.0.0.0"})
    assert kinds(space) == {}


def test_a_retry_relaxes_the_bar_and_a_pass_restores_it() -> None:
    """Retries that stay counted after a pass: the next step would be judged and sampled as a retry.

    0 -- 0.0 .59                      round 1, bar .60: fails; 0 stays with r = 1, as two copies
      \\- 0.1 .56*  0.2 .54            round 2 at 0.8, bar .55: 0.1 passes; 0 stays with r = 2, as two copies
      \\- 0.3 .49!  0.4 .51*!          round 3 at 0.9, bar .50: one answer fails, one enters the pool
    0.1 -- 0.1.0 .59                  round 3 at 0.7, bar .60 again: fails
    """
    space = scripted_space(table("0.0 .59 \n 0.1 .56 \n 0.2 .54 \n 0.3 .49 end \n 0.4 .51 end \n 0.1.0 .59"))
    outcome = run(IndependentBacktrack(max_finished_branches=1), space)
    assert asked_in(space) == [
        at(0.7, "0.0"),
        at(0.8, "0.1-2"),
        at(0.7, "0.1.0") | at(0.9, "0.3-4"),
    ]
    assert pool_of(outcome) == {"0.4"}
    assert kinds(space) == {"retry": 2, "backtrack": 4}


def test_tau_relax_zero_keeps_the_bar() -> None:
    """`tau_relax` accepted and ignored."""
    space = scripted_space(table("0.0 .59 \n 0.1 .59 \n 0.2 .6 end"))
    outcome = run(IndependentBacktrack(tau_relax=0.0, expansion_factor=1, max_finished_branches=1), space)
    assert asked_in(space) == [at(0.7, "0.0"), at(0.8, "0.1"), at(0.9, "0.2")]
    assert pool_of(outcome) == {"0.2"}


@pytest.mark.parametrize(
    ("factor", "most", "sizes"),
    [(1, 6, [1, 1, 1, 1]), (2, 6, [1, 2, 4, 6]), (2, 3, [1, 2, 3, 3]), (3, 2, [1, 2, 2, 2]), (3, 9, [1, 3, 9, 9])],
)
def test_copies_multiply_up_to_max_branches(factor: int, most: int, sizes: list[int]) -> None:
    """Copies that grow without bound (factor ** retries children a round), or that are never made.

    0 -- 0.0, 0.1, ... all .1: four rounds with r = 0, 1, 2, 3, as many copies of the root as the frontier holds
    """
    space = scripted_space(table(f"0.0-{sum(sizes) - 1} .1 end"))
    method = IndependentBacktrack(expansion_factor=factor, max_branches=most, max_steps=1, max_finished_branches=1)
    run(method, space)
    rounds = asked_in(space)
    assert [len(asked) for asked in rounds] == sizes
    for retries, asked in enumerate(rounds):
        assert all(child.endswith(f"@{round(0.7 + 0.1 * retries, 1)}") for child in asked)


def test_the_best_rejected_child_is_accepted_when_nothing_is_left() -> None:
    """A search that dies with its last path, or jumps to a child that was not rejected but only retried.

    0 -- 0.0 .55                      r = 0: fails; its score is the highest, but it was retried, not rejected
      \\- 0.1 .2  0.2 .4  0.3 .3       r = 1 = max_backtracks: all three rejected; nothing is left: 0.2 is accepted
    0.2 -- 0.2.0 .9*!                 at 0.7: a jump starts with r = 0
    """
    space = scripted_space(table("0.0 .55 \n 0.1 .2 \n 0.2 .4 \n 0.3 .3 \n 0.2.0 .9 end"))
    method = IndependentBacktrack(max_backtracks=1, expansion_factor=3, max_finished_branches=1)
    outcome = run(method, space)
    assert asked_in(space) == [at(0.7, "0.0"), at(0.8, "0.1-3"), at(0.7, "0.2.0")]
    assert pool_of(outcome) == {"0.2.0"}
    assert kinds(space) == {"backtrack": 1, "retry": 1, "jump": 1}


def test_no_jump_while_anything_is_left() -> None:
    """A jump in every round that rejects something: failing steps would all be taken.

    0 -- 0.0 .1
      \\- 0.1 .5  0.2 .58*             r = 1, bar .55: 0.1 is rejected, 0.2 passes: no jump
    0.2 -- 0.2.0 .9*!
    """
    space = scripted_space(table("0.0 .1 \n 0.1 .5 \n 0.2 .58 \n 0.2.0 .9 end"))
    run(IndependentBacktrack(max_backtracks=1, max_finished_branches=1), space)
    assert asked_in(space) == [at(0.7, "0.0"), at(0.8, "0.1-2"), at(0.7, "0.2.0")]
    assert "jump" not in kinds(space)


def test_rejected_answers_wait_for_a_later_jump() -> None:
    """Rejected children forgotten after the first jump: the search would end with half of a pool.

    0 -- 0.0 .1
      \\- 0.1 .2!  0.2 .4              r = 1: both rejected; jump: 0.2 is better
    0.2 -- 0.2.0 .9*!                 pool {0.2.0}; nothing is left: jump: the answer 0.1 is accepted after all
    """
    space = scripted_space(table("0.0 .1 \n 0.1 .2 end \n 0.2 .4 \n 0.2.0 .9 end"))
    outcome = run(IndependentBacktrack(max_backtracks=1), space)
    assert (outcome.stopped, pool_of(outcome)) == ("enough", {"0.2.0", "0.1"})
    assert kinds(space)["jump"] == 2


def test_without_retries_a_lonely_path_always_moves_on() -> None:
    """`max_backtracks: 0` that ends the search at the first bad step.

    0 -- 0.0 .1 -- 0.0.0 .2 -- 0.0.0.0 .3!       each is rejected, and then the best of what is left
    """
    space = scripted_space(table("0.0 .1 \n 0.0.0 .2 \n 0.0.0.0 .3 end"))
    outcome = run(IndependentBacktrack(max_backtracks=0), space)
    assert asked_in(space) == [at(0.7, "0.0"), at(0.7, "0.0.0"), at(0.7, "0.0.0.0")]
    assert (outcome.stopped, pool_of(outcome)) == ("frontier", {"0.0.0.0"})


def test_pruned_by_score() -> None:
    """A frontier that grows past `max_branches`, or drops its best path.

    0 -- 0.0 .1
      \\- 0.1 .7*  0.2 .65*            two branches at most
    0.1 -- 0.1.0 .1                   fails: 0.1 stays with its own score .7 and r = 1
    0.2 -- 0.2.0 .9*                  passes: it and one 0.1 fill both places
    """
    tree = "0.0 .1 \n 0.1 .7 \n 0.2 .65 \n 0.1.0 .1 \n 0.2.0 .9 \n 0.2.0.0 .9 end \n 0.1.1 .9 end"
    space = scripted_space(table(tree))
    outcome = run(IndependentBacktrack(max_branches=2), space)
    assert asked_in(space) == [
        at(0.7, "0.0"),
        at(0.8, "0.1-2"),
        at(0.7, "0.1.0", "0.2.0"),
        at(0.7, "0.2.0.0") | at(0.8, "0.1.1"),
    ]
    assert pool_of(outcome) == {"0.2.0.0", "0.1.1"}


def test_pruning_prefers_fewer_retries_among_equal_scores() -> None:
    """Copies of a path that keeps failing push out fresh paths of the same score.

    0 -- 0.0 .1
      \\- 0.1 .7*  0.2 .7*  0.3 .7*    three branches at most
    0.1 -- 0.1.0 .1                   fails: 0.1 (.7, r = 1), as up to three copies
    0.2 -- 0.2.0 .7*                  (.7, r = 0)
    0.3 -- 0.3.0 .7*                  (.7, r = 0): the fresh ones first, one copy of 0.1 beside them
    """
    tree = """0.0 .1 \n 0.1-3 .7 \n 0.1.0 .1 \n 0.2.0 .7 \n 0.3.0 .7
        0.2.0.0 .7 end \n 0.3.0.0 .7 end \n 0.1.1 .7 end"""
    space = scripted_space(table(tree))
    run(IndependentBacktrack(max_branches=3, expansion_factor=3), space)
    assert asked_in(space)[3] == at(0.7, "0.2.0.0", "0.3.0.0") | at(0.8, "0.1.1")


def test_a_full_frontier_retries_paths_as_one() -> None:
    """Copies made of every failing path: they push out paths that passed.

    0 -- 0.0-2 .1                      retries until four children pass; four branches at most
      \\- 0.3 .9*  0.4 .85*  0.5 .8*  0.6 .7*
    0.3 -- 0.3.0 .61*                  0.4 -- 0.4.0 .62*
    0.5 -- 0.5.0 .1                    0.6 -- 0.6.0 .1: the frontier is full, so 0.6 stays as one; 0.4.0 keeps its place
    """
    tree = """0.0-2 .1 \n 0.3 .9 \n 0.4 .85 \n 0.5 .8 \n 0.6 .7
        0.3.0 .61 \n 0.4.0 .62 \n 0.5.0 .1 \n 0.6.0 .1
        0.3.0.0 .7 end \n 0.4.0.0 .7 end \n 0.5.1-2 .7 end \n 0.6.1-2 .7 end"""
    space = scripted_space(table(tree))
    run(IndependentBacktrack(max_branches=4), space)
    grown = asked_in(space)[4]
    assert len(grown) == 4
    assert "0.6.2 @0.8" not in grown
    assert {"0.6.1 @0.8", "0.4.0.0 @0.7"} <= grown


def test_truncated_and_failed_children_are_retried_and_never_accepted() -> None:
    """A jump to a truncated path, which cannot grow and must not vote.

    0 -- 0.0 full                     r = 0: as a failing child
      \\- 0.1 fail  0.2 full           r = 1: rejected, but nothing of them can be accepted
    """
    space = scripted_space(table("0.0 .9 full \n 0.1 .9 fail \n 0.2 .9 full"))
    outcome = run(IndependentBacktrack(max_backtracks=1), space)
    assert asked_in(space) == [at(0.7, "0.0"), at(0.8, "0.1-2")]
    assert (outcome.stopped, outcome.pool) == ("frontier", ())


@pytest.mark.parametrize("most", [1, 2, 3])
def test_max_steps_counts_levels_and_retries_are_free(most: int) -> None:
    """Retries that use up the steps: one search in six ended without an answer.

    All children score .1: at each level three retries, then a jump; the last level grows to its end.
    """
    tree = {}
    for depth in range(1, most + 1):
        kind = "end" if depth == most else "step"
        tree |= dict.fromkeys(product((0,), *[range(20)] * depth), (0.1, kind))
    space = scripted_space(tree)
    outcome = run(IndependentBacktrack(max_steps=most, expansion_factor=1, max_finished_branches=1), space)
    assert space.expansions == 4 * most
    assert [len(path.key) - 1 for path in outcome.pool] == [most]
    assert outcome.stopped == "enough"


def test_ends_by_the_budget_with_what_it_has() -> None:
    """A budget that throws the pool away.

    0 -- 0.0 .1                       seven tokens
      \\- 0.1 .9*!  0.2                nine more, and the budget of 16 is spent before 0.2 is drawn
    """
    space = scripted_space(table("0.0 .1 \n 0.1 .9 end"), max_generated_tokens=7 + len("\\boxed{1}"), k_tokens=9)
    outcome = run(IndependentBacktrack(), space)
    assert (outcome.stopped, pool_of(outcome)) == ("budget", {"0.1"})


def test_a_score_exactly_at_the_relaxed_bar_passes() -> None:
    """Judges that score in tenths meet the bar exactly; rounding of `tau - tau_relax * r` must not fail them.

    0 -- 0.0 .7                       bar .8: fails
      \\- 0.1 .7*!                     bar .7: passes
    """
    space = scripted_space(table("0.0 .7 \n 0.1 .7 end \n 0.2 .7 end"))
    method = IndependentBacktrack(tau=0.8, tau_relax=0.1, expansion_factor=1, max_finished_branches=1)
    run(method, space)
    assert asked_in(space) == [at(0.7, "0.0"), at(0.8, "0.1")]
