"""Best-of-N on a drawn handful of solutions."""

from __future__ import annotations

from worlds import TellingPRM, asked_in, at, run, scripted_space, table, tape_space

from tt_scale.core.path import name
from tt_scale.core.selection import SELECTORS, Candidate
from tt_scale.searcher.best_of_n import BestOfN


def test_draws_n_solutions_of_which_finished_ones_vote() -> None:
    """Truncated solutions taken for answers; N requests of which some repeat a sample.

    0 -- 0.0 .3!  0.1 .9 cut at max_tokens  0.2 .7!  0.3 fail
    """
    space = scripted_space(table("0.0 .3 long \n 0.1 .9 cut \n 0.2 .7 long \n 0.3 .9 fail"))
    outcome = run(BestOfN(N=4, temperature=0.8), space)
    assert asked_in(space) == [at(0.8, "0.0-3")]
    assert [name(path.key) for path in outcome.pool] == ["0.0", "0.2"]
    assert [node.state for node in space.nodes] == ["finished", "truncated", "finished", "failed"]
    candidates = [Candidate(number, path.score) for number, path in enumerate(outcome.pool)]
    assert SELECTORS[BestOfN.selector](candidates) == 1


def test_whole_solutions_are_asked_for_without_delimiters_up_to_max_tokens() -> None:
    """Best-of-N cut at the first delimiter, or at the limit of a step instead of that of a solution."""
    space, generator = tape_space(["a", "\n\n", "b", "\n\n", "c"], max_tokens=100, k_tokens=2)
    run(BestOfN(N=2), space)
    [requests] = generator.rounds
    assert all(request.stop == () and request.max_tokens == 100 for request in requests)


def test_all_steps_are_scored_once() -> None:
    """A PRM that reads one long step: best-of-N would be scored by another unit than the step methods."""
    prm = TellingPRM({"a\n\n": 0.9, "b\n\n": 0.2, "c": 0.7}.__getitem__)
    space, _ = tape_space(["a", "\n\n", "b", "\n\n", "c"], prm=prm, agg="min")
    outcome = run(BestOfN(N=2), space)
    assert prm.shown == [["a\n\n", "b\n\n", "c"]] * 2
    assert [path.scores for path in outcome.pool] == [(0.9, 0.2, 0.7)] * 2
    assert [path.score for path in outcome.pool] == [0.2, 0.2]


def test_a_budget_leaves_the_last_solutions_out() -> None:
    """A record that says "enough" although the budget left solutions undrawn."""
    space, _ = tape_space(["a"] * 9, max_tokens=10, max_generated_tokens=20)
    outcome = run(BestOfN(N=4), space)
    assert (outcome.stopped, len(outcome.pool), len(space.nodes)) == ("budget", 2, 2)


def test_a_budget_that_cuts_the_last_solution_is_told() -> None:
    """A record that says "enough" although the budget cut the last solution short."""
    space, _ = tape_space(["a"] * 9, max_tokens=10, max_generated_tokens=25)
    outcome = run(BestOfN(N=3), space)
    assert [node.state for node in space.nodes] == ["finished", "finished", "truncated"]
    assert outcome.stopped == "budget"
