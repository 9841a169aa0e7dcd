"""Power backtracking."""

from __future__ import annotations

from math import exp, inf, isfinite, log

import pytest
from worlds import run, sim_problem, sim_space

from tt_scale.base_classes import Step
from tt_scale.core.path import Path
from tt_scale.errors import ConfigError
from tt_scale.generator.simulated import World
from tt_scale.searcher.parts.allocation import softmax
from tt_scale.searcher.power_backtrack import PowerBacktrack, Prefix, mixture_log_weights


def prefix(score: float, parent: int = 0, expected: float = 0.0) -> Prefix:
    return Prefix(Path((0, 0), (Step("so\n\n", (1,), "stop"),), score=score), parent, expected)


ROOT = Path((0,))


def test_mixture_weights_worked_values() -> None:
    """A root that gave 4, a child of .8 that is expected 2.5 of, a grandchild of .6: .6 / (4 * 2.5)."""
    values = [log(0.5), log(0.8), log(0.6)]
    weights = mixture_log_weights(values, [-1, 0, 1], [4.0, 2.5, 0.0])
    assert [exp(weight) for weight in weights] == pytest.approx([0.5, 0.8 / 4, 0.6 / 10])


def test_newest_prefixes_have_the_weights_of_a_particle_filter() -> None:
    """With a pool of the last round only, a weight is (r / r_parent)^power, whatever the draw made of the parents."""
    power, parents, children = 2.0, [0.9, 0.4, 0.6], [(1, 0.8), (1, 0.5), (2, 0.4), (3, 0.9)]
    first = softmax([power * log(score) for score in parents])
    pool_parents = [-1, 0, 0, 0, *(parent for parent, _ in children)]
    scores = [0.5, *parents, *(score for _, score in children)]
    expected = [4.0, *(4 * weight for weight in first), 0.0, 0.0, 0.0, 0.0]
    weights = mixture_log_weights([power * log(score) for score in scores], pool_parents, expected)[4:]
    gains = [(score / parents[parent - 1]) ** power for parent, score in children]
    assert softmax(weights) == pytest.approx([gain / sum(gains) for gain in gains])


def test_power_zero_leaves_only_the_correction() -> None:
    """Without power no score may count, nor a discount of scores: weights are one over what was expected above."""
    pool = [Prefix(ROOT, -1, 6.0), prefix(0.9, 0, 3.0), prefix(0.1, 0, 0.5), prefix(0.7, 1), prefix(0.2, 2)]
    weights = [exp(weight) for weight in PowerBacktrack(power=0.0)._log_weights(pool)]
    assert weights == pytest.approx([1, 1 / 6, 1 / 6, 1 / 18, 1 / 3])


def test_weights_are_finite_at_the_edges() -> None:
    """A score of 0 under a logarithm, or a power that underflows, makes weights that are no numbers."""
    pool = [Prefix(ROOT, -1, 4.0), prefix(0.0, 0, 1e-30), prefix(1.0, 0, 80.0), prefix(0.0, 1), prefix(1.0, 2)]
    for power in (1.0, 4.0, 1e6):
        weights = PowerBacktrack(power=power)._log_weights(pool)
        assert all(isfinite(weight) for weight in weights)
        assert sum(softmax(weights)) == pytest.approx(1.0)


def test_new_prefixes_owe_nothing_of_their_own() -> None:
    """A prefix that is charged for rounds before it existed is never drawn."""
    [_, old, new] = PowerBacktrack(decay=0.5)._log_weights([Prefix(ROOT, -1, 1.0), prefix(0.8, 0, 1.0), prefix(0.8, 0)])
    assert new == pytest.approx(4 * log(0.8))
    assert old == pytest.approx(4 * log(0.8 * 0.5))


@pytest.mark.parametrize("number", range(5))
def test_large_power_is_greedy_best_first(number: int) -> None:
    """At a large power each round grows one prefix: that with the best discounted score."""
    space = sim_space(sim_problem(number))
    run(PowerBacktrack(N=3, power=1e5), space)
    worth: dict[tuple[int, ...], float] = {(0,): 0.5}
    for first in range(0, len(space.nodes), 3):
        family = space.nodes[first : first + 3]
        [parent] = {node.key[:-1] for node in family}
        assert parent == max(worth, key=lambda key: worth[key])
        worth[parent] *= 0.25**3
        worth |= {node.key: node.score for node in family if node.is_open}


def test_every_round_draws_n_children() -> None:
    """Rounds of different size are compared at different cost; the root alone gives all of the first."""
    space = sim_space(sim_problem(steps=8))
    run(PowerBacktrack(N=6), space)
    assert len(space.nodes) == 6 * space.expansions
    assert [node.key for node in space.nodes[:6]] == [(0, child) for child in range(6)]


def test_it_returns_and_says_so() -> None:
    """A search that only ever goes on is no backtracking; most returns must be to prefixes that still pay."""
    returns = 0
    for number in range(20):
        space = sim_space(sim_problem(number), world=World(slip=(0.4,) * 5))
        run(PowerBacktrack(), space)
        grown: set[tuple[int, ...]] = set()
        for event in space.events:
            assert event.kind == "backtrack"
            grown = {node.key[:-1] for node in space.nodes[: event.created]}
            assert set(event.keys) <= grown
            returns += len(event.keys)
    assert returns > 20


def test_long_solutions_are_reached() -> None:
    """Without a discount the pool keeps returning and answers nothing: a dozen steps within thirty rounds."""

    def rounds(method: PowerBacktrack) -> list[int]:
        spaces = [sim_space(sim_problem(number, steps=12)) for number in range(20)]
        return [space.expansions for space in spaces if run(method, space).pool]

    answered = sum(number < 30 for number in rounds(PowerBacktrack()))
    stuck = sum(number < 30 for number in rounds(PowerBacktrack(decay=1.0)))  # the last round completes what is left
    assert answered >= 15
    assert stuck < 5


@pytest.mark.parametrize(
    ("args", "words"), [({"power": -1}, "at least 0"), ({"decay": 0}, "above 0"), ({"decay": inf}, "at most 1")]
)
def test_bad_knobs_are_explained(args: dict[str, object], words: str) -> None:
    """A discount of 0 has no logarithm."""
    with pytest.raises(ConfigError, match=words):
        PowerBacktrack(**args)  # type: ignore[arg-type]
