"""Beam search on hand-drawn trees. A child stands with its score; `!` finishes.

A child that is not drawn does not exist, so that a search which asks for it fails.
"""

from __future__ import annotations

import pytest
from worlds import asked_in, at, run, scripted_space, table, tree_of

from tt_scale.core.path import Outcome, name
from tt_scale.core.selection import SELECTORS, Candidate
from tt_scale.searcher.beam_search import BeamSearch


def pool_of(outcome: Outcome) -> set[str]:
    return {name(path.key) for path in outcome.pool}


def test_keeps_the_best_of_all_children() -> None:
    """Pruning within families (that is DVTS) instead of over all of them, and a first step with too few children.

    0 -- 0.0 .9   0.1 .8   0.2 .1   0.3 .2        two beams, two children each: four of the root; .9 .8 survive
    0.0 -- 0.0.0 .3   0.0.1 .2
    0.1 -- 0.1.0 .7   0.1.1 .6                    both survivors are children of 0.1
    0.1.0 -- .5!  .4!    0.1.1 -- .3!  .2!        four finished: N
    """
    tree = """0.0 .9 \n 0.1 .8 \n 0.2 .1 \n 0.3 .2 \n 0.0.0 .3 \n 0.0.1 .2 \n 0.1.0 .7 \n 0.1.1 .6
        0.1.0.0 .5 end \n 0.1.0.1 .4 end \n 0.1.1.0 .3 end \n 0.1.1.1 .2 end"""
    space = scripted_space(table(tree))
    outcome = run(BeamSearch(n_beams=2, beam_width=2), space)
    assert asked_in(space) == [
        at(0.8, "0.0-3"),
        at(0.8, "0.0.0-1", "0.1.0-1"),
        at(0.8, "0.1.0.0-1", "0.1.1.0-1"),
    ]
    assert (outcome.stopped, pool_of(outcome)) == ("enough", {"0.1.0.0", "0.1.0.1", "0.1.1.0", "0.1.1.1"})


@pytest.mark.parametrize(
    ("keys", "children"),
    [
        ({}, 9),  # keeping_branches 3, max_total_branches 9: 3 beams x 3
        ({"n_beams": 4}, 8),  # 4 x (9 // 4)
        ({"n_beams": 9}, 9),
        ({"n_beams": 12}, 12),  # 9 // 12 is none: one child each
        ({"beam_width": 5}, 15),
        ({"n_beams": 2, "beam_width": 1}, 2),
    ],
)
def test_widths(keys: dict[str, int], children: int) -> None:
    """A default width that makes beam search propose more or fewer candidates a step than the other methods."""
    space = scripted_space(table(f"0.0-{children - 1} .5 end"))
    run(BeamSearch(N=100, **keys), space)
    assert asked_in(space) == [at(0.8, f"0.0-{children - 1}")]


def test_width_one_prunes_nothing() -> None:
    """A slice `[-0:]` or a cut to n // width: three beams of one child each must all go on, bad ones too.

    0 -- 0.0 .9 -- 0.0.0 .1!
      \\- 0.1 .0 -- 0.1.0 .9!
      \\- 0.2 .1 -- 0.2.0 .2!
    """
    space = scripted_space(table("0.0 .9 \n 0.1 .0 \n 0.2 .1 \n 0.0.0 .1 end \n 0.1.0 .9 end \n 0.2.0 .2 end"))
    outcome = run(BeamSearch(n_beams=3, beam_width=1, N=3), space)
    assert asked_in(space) == [at(0.8, "0.0-2"), at(0.8, "0.0.0", "0.1.0", "0.2.0")]
    assert pool_of(outcome) == {"0.0.0", "0.1.0", "0.2.0"}


def test_finished_children_leave_their_places_to_open_ones() -> None:
    """Finished beams that keep occupying the frontier, or are grown beyond their end.

    0 -- 0.0 .9!  0.1 .8!  0.2 .1  0.3 .2          two finish; the two best open ones are .2 and .1, however bad
    0.2 -- .5!  .5!       0.3 -- .5!  .5!
    """
    tree = "0.0 .9 end \n 0.1 .8 end \n 0.2 .1 \n 0.3 .2 \n 0.2.0-1 .5 end \n 0.3.0-1 .5 end"
    space = scripted_space(table(tree))
    outcome = run(BeamSearch(n_beams=2, beam_width=2, N=6), space)
    assert asked_in(space)[1] == at(0.8, "0.2.0-1", "0.3.0-1")
    assert len(outcome.pool) == 6


def test_the_best_of_the_pool_answers_not_the_first() -> None:
    """The first finished beam returned instead of the best.

    0 -- 0.0 .4!   0.1 .9
    0.1 -- 0.1.0 .8!   0.1.1 .6!
    """
    space = scripted_space(table("0.0 .4 end \n 0.1 .9 \n 0.1.0 .8 end \n 0.1.1 .6 end"))
    outcome = run(BeamSearch(n_beams=1, beam_width=2, N=3), space)
    candidates = [Candidate(number, path.score) for number, path in enumerate(outcome.pool)]
    chosen = SELECTORS[BeamSearch.selector](candidates)
    assert chosen is not None
    assert name(outcome.pool[0].key) == "0.0"
    assert name(outcome.pool[chosen].key) == "0.1.0"


def test_equal_scores_break_by_key() -> None:
    """Ties that break by order of arrival make a tree depend on the engine's timing.

    0 -- 0.0 .8   0.1 .9               0.1 is the better one and stands first
    0.0 -- 0.0.0 .5   0.0.1 .5         all four alike: the smaller keys survive
    0.1 -- 0.1.0 .5   0.1.1 .5
    """
    tree = "0.0 .8 \n 0.1 .9 \n 0.2-3 .1 \n 0.0.0-1 .5 \n 0.1.0-1 .5 \n 0.0.0.0-1 .5 end \n 0.0.1.0-1 .5 end"
    space = scripted_space(table(tree))
    run(BeamSearch(n_beams=2, beam_width=2), space)
    assert asked_in(space)[2] == at(0.8, "0.0.0.0-1", "0.0.1.0-1")


def test_lookahead_ranks_by_the_greedy_continuation_and_drops_it() -> None:
    """A lookahead that is ignored, sampled instead of greedy, or kept as if the search had chosen it.

    0 -- 0.0 .9 ~~ 0.0.0 .1           ~~ is greedy, temperature 0
      \\- 0.1 .2 ~~ 0.1.0 .8           0.1 survives, for what follows; its own score stays .2
    0.1 -- 0.1.1 .5!  0.1.2 .6!       its children start anew from 0.1, not from 0.1.0
    """
    space = scripted_space(table("0.0 .9 \n 0.1 .2 \n 0.0.0 .1 \n 0.1.0 .8 \n 0.1.1 .5 end \n 0.1.2 .6 end"))
    outcome = run(BeamSearch(n_beams=1, beam_width=2, lookahead=1, N=2), space)
    assert asked_in(space) == [at(0.8, "0.0-1"), at(0.0, "0.0.0", "0.1.0"), at(0.8, "0.1.1-2")]
    assert pool_of(outcome) == {"0.1.1", "0.1.2"}
    assert ((0, 1), 0.2, "open") in tree_of(space)


def test_lookahead_of_two_stops_at_an_answer_which_is_not_kept() -> None:
    """Answers of a greedy continuation that enter the pool, or are grown beyond their end.

    0 -- 0.0 .5 ~~ 0.0.0 .9! (.9 is its value)
      \\- 0.1 .5 ~~ 0.1.0 .99 ~~ 0.1.0.0 .3 (.3 is its value)
    0.0 -- 0.0.1 .7!  0.0.2 .7!
    """
    tree = "0.0-1 .5 \n 0.0.0 .9 end \n 0.1.0 .99 \n 0.1.0.0 .3 \n 0.0.1 .7 end \n 0.0.2 .7 end"
    space = scripted_space(table(tree))
    outcome = run(BeamSearch(n_beams=1, beam_width=2, lookahead=2, N=2), space)
    assert asked_in(space) == [
        at(0.8, "0.0-1"),
        at(0.0, "0.0.0", "0.1.0"),
        at(0.0, "0.1.0.0"),
        at(0.8, "0.0.1-2"),
    ]
    assert pool_of(outcome) == {"0.0.1", "0.0.2"}
    assert space.usage.generated_tokens == sum(node.steps[-1].ids.__len__() for node in space.nodes)


def test_ends_with_an_empty_frontier() -> None:
    """A frontier that empties before N paths have finished must end the search.

    0 -- 0.0 .9!  0.1 full             nothing left to grow
    """
    space = scripted_space(table("0.0 .9 end \n 0.1 .9 full"))
    outcome = run(BeamSearch(n_beams=1, beam_width=2), space)
    assert (outcome.stopped, pool_of(outcome)) == ("frontier", {"0.0"})


@pytest.mark.parametrize(("keys", "rounds"), [({"num_iterations": 2}, 2), ({"max_steps": 3}, 3)])
def test_ends_after_num_iterations(keys: dict[str, int], rounds: int) -> None:
    """`num_iterations` ignored, or not `max_steps` where it is unset."""
    end = "0.0.0" if rounds == 2 else "0.0.0.0"
    space = scripted_space(table(f"0.0 .5 \n 0.0.0 .5 \n {end} .5 end"))
    outcome = run(BeamSearch(n_beams=1, beam_width=1, **keys), space)
    assert pool_of(outcome) == {end}
    assert [request.stop for [request] in space._generator.rounds] == [("\n\n",)] * (rounds - 1) + [()]  # type: ignore
    assert (outcome.stopped, len(asked_in(space))) == ("frontier", rounds)


def test_ends_by_the_budget_with_what_it_has() -> None:
    """A budget that throws the pool away.

    0 -- 0.0 .5!  0.1 .9               nine tokens and seven, then nothing is left for the children of 0.1
    """
    limit = len("\\boxed{0}") + 7
    space = scripted_space(table("0.0 .5 end \n 0.1 .9"), max_generated_tokens=limit, k_tokens=9)
    outcome = run(BeamSearch(n_beams=1, beam_width=2), space)
    assert (outcome.stopped, pool_of(outcome)) == ("budget", {"0.0"})
