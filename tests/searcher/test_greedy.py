"""Greedy decoding."""

from __future__ import annotations

from worlds import run, sim_problem, sim_space

from tt_scale.searcher.greedy import Greedy


def test_one_solution_at_temperature_zero() -> None:
    """A greedy baseline that samples, or that draws more than once, is no baseline."""
    space = sim_space()
    outcome = run(Greedy(), space)
    assert [node.key for node in space.nodes] == [(0, 0)]
    assert {step.temperature for step in space.nodes[0].steps} == {0.0}
    assert (outcome.pool, outcome.stopped) == (tuple(space.nodes), "enough")


def test_seed_and_repeat_change_nothing() -> None:
    """Greedy decoding that depends on the seed was not greedy."""
    texts = []
    for seed, repeat in [(79, 0), (80, 0), (79, 1)]:
        space = sim_space(seed=seed, repeat=repeat)
        run(Greedy(), space)
        texts.append([node.text for node in space.nodes])
    assert texts[0] == texts[1] == texts[2]


def test_says_why_there_is_no_answer() -> None:
    """A solution cut by the budget and one cut by its own limit are two different failures."""
    assert run(Greedy(), sim_space(max_generated_tokens=20)).stopped == "budget"
    assert run(Greedy(), sim_space(sim_problem(), max_tokens=20)).stopped == "frontier"
