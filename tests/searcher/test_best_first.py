"""Best-first search for the prefix that lacks a right step."""

from __future__ import annotations

import pytest
from worlds import asked_in, at, run, scripted_space, sim_problem, sim_space, table

from tt_scale.base_classes import Step
from tt_scale.core.path import Path
from tt_scale.searcher.best_first import BestFirst, Prefix, grown, most_promising, worth


def a_path(*key: int, score: float = 0.5, text: str = "so\n\n") -> Path:
    """An open path whose steps all say the same."""
    return Path(key, (Step(text, (1,), "stop"),) * (len(key) - 1), score=score)


def test_worth_worked_values() -> None:
    """Coming back to what has a good child, and never leaving what has none, are the two ways to waste a budget."""
    assert worth(0.9, 0.0, 0, 1.0) == pytest.approx(0.9)
    assert worth(0.9, 0.1, 3, 1.0) == pytest.approx(0.2)
    assert worth(0.9, 0.1, 3, 0.0) == pytest.approx(0.8)
    assert worth(0.9, 0.95, 1, 1.0) == pytest.approx(0.0225)  # 0.05 * 0.9, halved
    assert worth(0.9, 0.89, 1, 1.0) == pytest.approx(0.0225)


def test_the_most_promising_prefix() -> None:
    """Ties that depend on the order of arrival; a root that is worth nothing, or more than all."""
    good, deep = Prefix(a_path(0, 0, score=0.8)), Prefix(a_path(0, 1, 0, score=0.8))
    tried = Prefix(a_path(0, 1, score=0.9), 1)
    assert most_promising([tried, good, deep], 1.0) is deep
    assert most_promising([deep, good, tried], 1.0) is deep
    assert most_promising([good, tried], 0.0) is tried
    assert most_promising([tried, Prefix(Path((0,)))], 1.0).path.key == (0,)
    first, second = Prefix(a_path(0, 0)), Prefix(a_path(0, 1))
    assert most_promising([second, first], 1.0) is first


def test_what_was_said_before_is_no_new_prefix() -> None:
    """Three times the same right step would be grown three times."""
    prefix = Prefix(a_path(0))
    assert [each.path.key for each in grown(prefix, a_path(0, 0, score=0.3))] == [(0, 0)]
    assert grown(prefix, a_path(0, 1, score=0.4)) == []
    assert grown(prefix, a_path(0, 2, text="other\n\n"))[0].path.key == (0, 2)
    assert grown(prefix, Path((0, 3), a_path(0, 3, text="end").steps, score=0.6, state="finished")) == []
    assert prefix.best == 0.6


def test_it_returns_to_where_the_right_step_is_missing() -> None:
    """A search that draws again above a good step, or grows on below a bad one.

    0 -- 0.0 .9 -- 0.0.0 .1 -- 0.0.0.0 .1!   the first solution, whole; .1 does not pass
                \\- 0.0.1 .1                  (.9 - .1) / 2 is worth most: again, hotter; it says what 0.0.0 said
                \\- 0.0.2 .8 -- 0.0.2.0 .7!   (.9 - .1) / 3 is worth most: hotter still; its child passes
    """
    tree = "0.0 .9 \n 0.0.0 .1 \n 0.0.0.0 .1 end \n 0.0.1 .1 \n 0.0.2 .8 cut \n 0.0.2.0 .7 end"
    space = scripted_space(table(tree))
    outcome = run(BestFirst(N=9), space)
    assert asked_in(space) == [
        at(0.7, "0.0"), at(0.7, "0.0.0"), at(0.7, "0.0.0.0"), at(0.8, "0.0.1"), at(0.9, "0.0.2"), at(0.7, "0.0.2.0"),
    ]  # fmt: skip
    assert [event.keys for event in space.events] == [((0, 0),), ((0, 0),)]
    assert [path.key for path in outcome.pool] == [(0, 0, 0, 0), (0, 0, 2, 0)]
    assert outcome.stopped == "enough"


def test_one_solution_that_passes_is_the_whole_search() -> None:
    """An easy problem that costs as much as a hard one; steps that are judged where only the end is."""
    space = scripted_space(table("0.0 .3 \n 0.0.0 .9 end"))
    outcome = run(BestFirst(N=9), space)
    assert asked_in(space) == [at(0.7, "0.0"), at(0.7, "0.0.0")]
    assert (outcome.stopped, [path.key for path in outcome.pool], space.events) == ("enough", [(0, 0, 0)], [])
    assert (space.bar.judged, space.bar.passed) == (1, 1)


def test_it_ends_after_the_tokens_of_n_solutions() -> None:
    """A limit in expansions or children means another amount of text for every problem.

    The first solution has 7 + 9 tokens, so two are 32: after 9 and 9 more the search ends, whatever it has.
    """
    space = scripted_space(table("0.0 .9 \n 0.0.0-2 .1 end"))
    outcome = run(BestFirst(N=2), space)
    assert asked_in(space)[2:] == [at(0.8, "0.0.1"), at(0.9, "0.0.2")]
    assert (outcome.stopped, len(outcome.pool), space.usage.generated_tokens) == ("steps", 3, 34)


@pytest.mark.parametrize("drawn", ["0.0 0 fail", "0.0 .9 \n 0.0.0-30 0 fail"])
def test_failed_requests_do_not_hold_it_for_ever(drawn: str) -> None:
    """A request that fails brings no tokens, so that a limit in tokens would never be reached."""
    space = scripted_space(table(drawn))
    outcome = run(BestFirst(N=2), space)
    assert (outcome.stopped, outcome.pool) == ("steps", ())


def test_heat_rises_five_times() -> None:
    """A search that grows ever hotter finds nonsense that a PRM likes."""
    space = scripted_space(table("0.0 .1 end \n 0.1-40 .1 end"))
    run(BestFirst(N=12, temp_step=0.2), space)
    heats = [float(asked.partition("@")[2]) for [asked] in asked_in(space)]
    assert heats[:8] == [0.7, 0.9, 1.1, 1.3, 1.5, 1.7, 1.7, 1.7]


@pytest.mark.parametrize("number", range(4))
def test_more_solutions_begin_with_the_same_tree(number: int) -> None:
    """A budget that changes what is drawn first, so that no curve over budgets could be read."""
    few, more = sim_space(sim_problem(number)), sim_space(sim_problem(number))
    run(BestFirst(N=3, tau=0.95), few)
    run(BestFirst(N=9, tau=0.95), more)
    assert few.nodes == more.nodes[: len(few.nodes)]
    assert len(few.nodes) < len(more.nodes)
