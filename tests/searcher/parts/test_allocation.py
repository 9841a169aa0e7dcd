"""How widths are divided: worked values, and that chance is fair."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import sim_problem, sim_space

from tt_scale.searcher.parts.allocation import (
    RESAMPLERS,
    effective_sample_size,
    log_odds,
    normalised_weights,
    rebase_split,
    softmax,
)

scores_of_paths = st.lists(st.floats(0, 1), min_size=1, max_size=30)


class Fixed(Random):
    """A source of chance that says what it is told."""

    def __new__(cls, *values: float) -> Fixed:  # Python 3.10's own takes at most one argument
        return super().__new__(cls)

    def __init__(self, *values: float) -> None:
        self.values = list(values)

    def random(self) -> float:
        return self.values.pop(0)


def logs(shares: Sequence[float]) -> list[float]:
    """Scores whose exponentials at temperature 1 are in the given proportion."""
    return [math.log(share) for share in shares]


@pytest.mark.parametrize(
    ("scores", "width", "temperature", "counts"),
    [
        (logs([0.7, 0.2, 0.1]), 4, 1.0, [3, 1, 0]),  # ceil(2.8) = 3, ceil(1 * .2 / .3) = 1, nothing left
        (logs([0.1, 0.7, 0.2]), 4, 1.0, [0, 3, 1]),  # in whatever order the paths come
        ([0.9, 0.1, 0.5], 4, math.inf, [2, 1, 1]),  # even; the best path gains from rounding
        ([0.5, 0.5, 0.5], 6, 0.1, [2, 2, 2]),
        ([0.7 + 0.2 * math.log(2), 0.7, 0.7, 0.7], 16, 0.2, [7, 3, 3, 3]),  # 3.0000000000000004 is 3
        ([0.1, 0.1, 0.1], 7, 0.2, [3, 2, 2]),
        ([0.2, 0.9, 0.8], 5, 1e-3, [0, 5, 0]),
        ([0.2, 0.9, 0.8], 5, 1e-320, [0, 5, 0]),  # every other power underflows
        ([0.3], 8, 0.2, [8]),
        ([0.3, 0.4], 0, 0.2, [0, 0]),
        ([0.3, 0.9, 0.4], 1, 0.2, [0, 1, 0]),
    ],
)
def test_rebase_split_worked_values(scores: list[float], width: int, temperature: float, counts: list[int]) -> None:
    """Shares that are rounded each by itself do not sum to the width; these were worked out by hand."""
    assert rebase_split(scores, width, temperature) == counts


@given(scores_of_paths, st.integers(0, 200), st.floats(1e-6, 1e6) | st.just(math.inf))
def test_rebase_split_sums_to_the_width_and_follows_the_scores(
    scores: list[float], width: int, temperature: float
) -> None:
    """A split that loses or invents children breaks every comparison at equal width."""
    counts = rebase_split(scores, width, temperature)
    assert sum(counts) == width
    assert min(counts) >= 0
    for first, second in zip(range(len(scores)), range(1, len(scores)), strict=False):
        if scores[first] > scores[second]:
            assert counts[first] >= counts[second] - 1  # a ceiling may pass one on, never more


@given(scores_of_paths, st.integers(0, 200))
def test_rebase_split_is_even_at_infinite_temperature(scores: list[float], width: int) -> None:
    """At infinite temperature no path may be favoured by more than one child."""
    counts = rebase_split(scores, width, math.inf)
    assert max(counts) - min(counts) <= 1


def test_log_odds_are_finite_and_symmetric() -> None:
    """A score of exactly 0 or 1 makes infinite log-odds, and those make weights that are no numbers."""
    assert log_odds(0.5) == 0.0
    assert log_odds(1.0) == pytest.approx(16.118, abs=1e-3)
    assert log_odds(0.0) == pytest.approx(-log_odds(1.0))
    assert log_odds(0.8) == pytest.approx(math.log(4))


def test_normalised_weights_worked_values() -> None:
    """At temperature 1 a weight is the odds, at infinite temperature all are equal."""
    assert normalised_weights([0.5, 0.75]) == pytest.approx([0.25, 0.75])
    assert normalised_weights([0.5, 0.8, 0.2], 2.0) == pytest.approx([1 / 3.5, 2 / 3.5, 0.5 / 3.5])
    assert normalised_weights([0.0, 1.0, 0.3], math.inf) == pytest.approx([1 / 3] * 3)
    assert normalised_weights([0.0, 0.0]) == [0.5, 0.5]
    assert sum(normalised_weights([0.0, 1.0, 1.0], 0.01)) == pytest.approx(1.0)
    assert softmax([-math.inf, 3.0]) == [0.0, 1.0]


def test_effective_sample_size_worked_values() -> None:
    """An effective sample size that depends on the scale of the weights compares to no threshold."""
    assert effective_sample_size([0.25] * 4) == pytest.approx(4.0)
    assert effective_sample_size([1.0, 0.0, 0.0]) == pytest.approx(1.0)
    assert effective_sample_size([0.5, 0.25, 0.25]) == pytest.approx(8 / 3)
    assert effective_sample_size([4.0, 2.0, 2.0]) == pytest.approx(8 / 3)


def test_resamplers_worked_values() -> None:
    """The four schemes, drawn by hand for weights .5, .25, .25 and four copies."""
    weights = [0.5, 0.25, 0.25]
    assert RESAMPLERS["systematic"](weights, 4, Fixed(0.5)) == [2, 1, 1]
    assert RESAMPLERS["stratified"](weights, 4, Fixed(0.0, 0.9, 0.9, 0.1)) == [2, 1, 1]
    assert RESAMPLERS["multinomial"](weights, 4, Fixed(0.49, 0.5, 0.99, 0.1)) == [2, 1, 1]
    assert RESAMPLERS["residual"](weights, 4, Fixed()) == [2, 1, 1]  # whole shares need no chance
    assert RESAMPLERS["residual"](weights, 2, Fixed(0.6)) == [1, 0, 1]  # one for sure, one by fractions 0, .5, .5
    assert RESAMPLERS["systematic"]([0.0, 1.0, 0.0], 3, Fixed(0.9999999999999999)) == [0, 3, 0]  # rounds up to 1
    assert RESAMPLERS["systematic"]([0.0, 1.0], 1, Fixed(0.0)) == [0, 1]


@pytest.mark.parametrize("scheme", RESAMPLERS)
@given(weights=st.lists(st.floats(0, 1), min_size=1, max_size=12).filter(any), count=st.integers(1, 40))
def test_resamplers_sum_and_never_copy_the_dead(scheme: str, weights: list[float], count: int) -> None:
    """A particle of weight 0 that comes back is a dead path that is grown."""
    counts = RESAMPLERS[scheme](weights, count, Random(7))
    assert sum(counts) == count
    assert all(copies == 0 for copies, weight in zip(counts, weights, strict=True) if weight == 0)


@pytest.mark.parametrize("scheme", RESAMPLERS)
def test_resamplers_are_unbiased(scheme: str) -> None:
    """A scheme that favours early particles tilts the whole search; 1e5 copies against their expectation."""
    from scipy.stats import chisquare

    weights, count, rounds, random = [0.05, 0.41, 0.0, 0.23, 0.31], 5, 20_000, Random(11)
    totals = [0] * len(weights)
    for _ in range(rounds):
        for index, copies in enumerate(RESAMPLERS[scheme](weights, count, random)):
            totals[index] += copies
    assert totals[2] == 0
    alive = [index for index, weight in enumerate(weights) if weight]
    expected = [rounds * count * weights[index] for index in alive]
    # schemes better than independent draws vary less than chi-square allows for, so this can only err on their side
    assert chisquare([totals[index] for index in alive], expected).pvalue > 0.01


@pytest.mark.parametrize("scheme", ["systematic", "residual"])
def test_low_variance_schemes_keep_whole_shares(scheme: str) -> None:
    """What tells these schemes from independent draws: no particle gets less than the whole part of its share."""
    weights, random = [0.55, 0.3, 0.15], Random(5)
    for _ in range(1_000):
        counts = RESAMPLERS[scheme](weights, 10, random)
        assert all(copies >= floor for copies, floor in zip(counts, [5, 3, 1], strict=True))


def test_chance_of_a_search_depends_on_seed_problem_repeat_and_name() -> None:
    """A stream shared by problems or by two decisions depends on the order in which they come."""

    def stream(name: str = "resample", number: int = 0, **keys: int) -> list[float]:
        random = sim_space(sim_problem(number), **keys).random(name)
        return [random.random() for _ in range(3)]

    assert stream() == stream()
    others = [stream("other"), stream(number=1), stream(repeat=1), stream(seed=80)]
    assert len({tuple(other) for other in [stream(), *others]}) == 5
