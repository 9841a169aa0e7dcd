"""All flips of signs against flips written out, and limits against those of the binomial distribution."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import exp, isclose, tanh

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tt_scale.bench.stats.sign_flips import sign_flips

SHARES = st.integers(1, 8).flatmap(lambda parts: st.integers(-parts, parts).map(lambda part: part / parts))


def written_out(gaps: Sequence[float]) -> float:
    """Share of all flips whose sum is as far from 0 as that of the gaps."""
    sums = [
        abs(sum(sign * gap for sign, gap in zip(signs, gaps, strict=True)))
        for signs in product((-1, 1), repeat=len(gaps))
    ]
    return sum(each >= abs(sum(gaps)) - 1e-9 for each in sums) / len(sums)


@settings(deadline=None)
@given(st.lists(SHARES, min_size=1, max_size=11))
def test_every_flip_is_counted(gaps: list[float]) -> None:
    """Halves beside thirds and sevenths, ties, gaps of 0."""
    found = sign_flips(gaps)
    assert (found is None) == (not any(gaps))
    if found is not None:
        assert found.p_value() == pytest.approx(written_out(gaps), rel=1e-9)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(-1, 1).filter(lambda gap: abs(gap) > 0.01), min_size=1, max_size=11))
def test_gaps_on_no_grid(gaps: list[float]) -> None:
    """Sums are counted in cells: a sum that is closer to the observed one than a cell may count or not."""
    found = sign_flips(gaps)
    assert found is not None
    room = len(gaps) * sum(map(abs, gaps)) / 32_768
    sums = [abs(sum(s * g for s, g in zip(signs, gaps, strict=True))) for signs in product((-1, 1), repeat=len(gaps))]
    least, most = (sum(each >= abs(sum(gaps)) + shift for each in sums) / len(sums) for shift in (room, -room))
    assert least - 1e-9 <= found.p_value() <= most + 1e-9


@pytest.mark.parametrize(("right", "wrong"), [(60, 0), (900, 100), (500, 500), (37, 12), (1000, 0)])
def test_p_values_are_as_small_as_they_should_be(right: int, wrong: int) -> None:
    """McNemar's exact test down to 1e-300: a floor, or a sum of rounding errors, stops far above."""
    from scipy.stats import binomtest

    found = sign_flips([1.0] * right + [-1.0] * wrong + [0.0] * 50)
    assert found is not None
    assert isclose(found.p_value(), binomtest(right, right + wrong).pvalue, rel_tol=1e-6)


def test_a_p_value_far_in_the_tail_of_unequal_gaps() -> None:
    """No library has this test: a convolution in whole numbers, 2 ** 300 flips of thirds."""
    thirds = [1] * 120 + [2] * 90 + [3] * 60 + [-1] * 20 + [-2] * 10
    ways = {0: 1}
    for size in map(abs, thirds):
        moved: dict[int, int] = {}
        for total, count in ways.items():
            for place in (total - size, total + size):
                moved[place] = moved.get(place, 0) + count
        ways = moved
    exact = sum(count for total, count in ways.items() if abs(total) >= sum(thirds)) / 2 ** len(thirds)
    found = sign_flips([gap / 3 for gap in thirds])
    assert found is not None
    assert 0 < exact < 1e-40
    assert isclose(found.p_value(), exact, rel_tol=1e-6)


@pytest.mark.parametrize(("right", "wrong"), [(3, 1), (20, 0), (21, 0), (12, 5), (30, 30), (0, 9), (700, 300)])
def test_limits_of_single_searches_are_those_of_a_binomial_share(right: int, wrong: int) -> None:
    """Clopper and Pearson's limits with 20 problems or fewer, their mid-p version elsewhere."""
    from scipy.stats import binom

    count = right + wrong
    share = 1.0 if count <= 20 else 0.5
    found = sign_flips([1.0] * right + [-1.0] * wrong)
    assert found is not None
    low, high = ((end / count + 1) / 2 for end in found.limits(0.05))
    if right:
        assert binom.sf(right, count, low) + share * binom.pmf(right, count, low) == pytest.approx(0.025)
    if wrong:
        assert binom.cdf(right - 1, count, high) + share * binom.pmf(right, count, high) == pytest.approx(0.025)
    assert (low == pytest.approx(0, abs=1e-9)) == (right == 0)
    assert (high == pytest.approx(1)) == (wrong == 0)


def test_limits_of_unequal_gaps_by_hand() -> None:
    """Gaps a of 1, 1/2 and 1/2, all positive: of tilt t the tail is the product of 1 / (1 + exp(-2ta)).

    At the limit it is .025, and the sum that is expected there is tanh(t) + tanh(t / 2).
    """
    found = sign_flips([0.5, 1.0, 0.5])
    assert found is not None
    low, high = found.limits(0.05)
    below, tilt = -9.0, 0.0
    for _ in range(60):
        middle = (below + tilt) / 2
        above = 1 / ((1 + exp(-2 * middle)) * (1 + exp(-middle)) ** 2) > 0.025
        below, tilt = (below, middle) if above else (middle, tilt)
    assert low == pytest.approx(tanh(tilt) + tanh(tilt / 2), abs=1e-6)
    assert high == pytest.approx(2.0)


@settings(deadline=None, max_examples=50)
@given(st.lists(SHARES, min_size=1, max_size=30))
def test_both_sides_are_treated_alike(gaps: list[float]) -> None:
    """The second method against the first is the first against the second, with the other sign."""
    found, other = sign_flips(gaps), sign_flips([-gap for gap in gaps])
    if found is None or other is None:
        assert found is other
        return
    assert found.p_value() == other.p_value()
    assert found.limits(0.05) == pytest.approx(tuple(-end for end in reversed(other.limits(0.05))))
