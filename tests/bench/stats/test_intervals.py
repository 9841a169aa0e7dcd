"""Intervals against formulas written out, and against the tests that they must agree with."""

from __future__ import annotations

from math import log

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tt_scale.bench.stats.intervals import difference, mean_interval

SHARES = st.integers(1, 5).flatmap(lambda parts: st.integers(-parts, parts).map(lambda part: part / parts))
REALS = st.floats(-1, 1).filter(lambda gap: not 0 < abs(gap) < 0.01)
GAPS = st.lists(SHARES, min_size=1, max_size=60) | st.lists(REALS, min_size=1, max_size=20)


@settings(deadline=None, max_examples=150)
@given(GAPS)
def test_an_interval_excludes_zero_exactly_where_the_test_says_so(gaps: list[float]) -> None:
    """A table whose interval and p-value contradict each other; an interval that claims to know all."""
    found = difference(gaps)
    assert (found.low > 0 or found.high < 0) == (found.p_value < 0.05)
    assert -1 <= found.low <= found.mean + 1e-9
    assert found.mean - 1e-9 <= found.high <= 1
    assert found.high - found.low > 1e-3


def test_agreement_around_the_level_of_the_test() -> None:
    """Every outcome of 24 problems that were searched once, and many of 12 that were searched twice."""
    cases = [[1.0] * up + [-1.0] * down + [0.0] * (24 - up - down) for up in range(25) for down in range(25 - up)]
    cases += [
        [0.5] * small + [1.0] * large + [-0.5] * down + [0.0] * (12 - small - large - down)
        for small in range(7)
        for large in range(4)
        for down in range(3)
    ]
    significant = 0
    for gaps in cases:
        found = difference(gaps)
        assert (found.low > 0 or found.high < 0) == (found.p_value < 0.05), gaps
        significant += found.p_value < 0.05
    assert 100 < significant < len(cases) - 100


@pytest.mark.parametrize(("gaps", "least"), [([0.0] * 10, 0.5), ([1.0] * 10, 0.3), ([-0.25] * 10, 0.02), ([0.0], 1.5)])
def test_no_interval_is_without_width(gaps: list[float], least: float) -> None:
    """Ten problems that agree do not prove that all others do."""
    found = difference(gaps)
    assert found.high - found.low > least


def test_gaps_of_all_sizes_have_the_normal_width() -> None:
    """With many problems an interval is the mean and 1.96 standard errors, whatever the gaps are."""
    gaps = [((number * 0.618) % 1 - 0.3) * 0.8 for number in range(2000)]
    mean = sum(gaps) / len(gaps)
    error = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps) / len(gaps)) ** 0.5
    found = difference(gaps)
    assert found.mean == pytest.approx(mean)
    assert found.low == pytest.approx(mean - 1.96 * error, abs=0.05 * error)
    assert found.high == pytest.approx(mean + 1.96 * error, abs=0.05 * error)


def test_a_mean_of_shares_by_hand() -> None:
    """Wilson's formula, with the variance of the shares and Student's quantile for what a jackknife says of it."""
    from scipy.stats import t

    shares = [0.875, 0.75, 0.625, 0.5, 0.25, 0.0]

    def ratio(some: list[float]) -> float:
        mean = sum(some) / len(some)
        return sum((share - mean) ** 2 for share in some) / len(some) / (mean * (1 - mean))

    logs = [log(ratio(shares[:place] + shares[place + 1 :])) for place in range(6)]
    centre = sum(logs) / 6
    freedom = 2 / (5 / 6 * sum((each - centre) ** 2 for each in logs))
    spread = float(t.ppf(0.975, freedom)) ** 2 * ratio(shares) / 5
    mean = 0.5
    low = (mean + spread / 2) / (1 + spread) - (spread * mean * (1 - mean) + spread**2 / 4) ** 0.5 / (1 + spread)
    assert mean_interval(shares) == pytest.approx((low, 1 - low))
    assert spread < 1.96**2 / 6  # otherwise the bound below would be what is tested


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 60).flatmap(lambda count: st.tuples(st.integers(0, count), st.just(count))))
def test_zeros_and_ones_have_wilsons_interval(case: tuple[int, int]) -> None:
    """Whatever the number of problems; SciPy's own is the judge."""
    from scipy.stats import binomtest

    right, count = case
    known = binomtest(right, count).proportion_ci(method="wilson")
    assert mean_interval([1.0] * right + [0.0] * (count - right)) == pytest.approx((known.low, known.high))


@settings(deadline=None)
@given(st.lists(st.integers(0, 4).map(lambda right: right / 4), min_size=1, max_size=12))
def test_repeats_never_widen_an_interval(shares: list[float]) -> None:
    """Four searches of a problem tell at least as much as one: Wilson's interval for single ones is the bound."""
    from math import sqrt

    low, high = mean_interval(shares)
    mean, spread = sum(shares) / len(shares), 1.959964**2 / len(shares)
    centre, half = (mean + spread / 2) / (1 + spread), sqrt(spread * mean * (1 - mean) + spread**2 / 4) / (1 + spread)
    assert centre - half - 1e-6 <= low <= mean + 1e-9
    assert mean - 1e-9 <= high <= centre + half + 1e-6


@pytest.mark.parametrize("repeats", [2, 3, 5, 6, 7, 10])
def test_equal_shares_have_wilsons_interval(repeats: int) -> None:
    """Twenty problems with one right answer in three each: the rounded variance of thirds was 1e-17, the interval 0."""
    from math import sqrt

    for count in (2, 7, 20, 50, 100, 500):
        for right in range(1, repeats):
            mean, spread = right / repeats, 1.959964**2 / count
            centre = (mean + spread / 2) / (1 + spread)
            half = sqrt(spread * mean * (1 - mean) + spread**2 / 4) / (1 + spread)
            assert mean_interval([mean] * count) == pytest.approx((centre - half, centre + half), abs=1e-6)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(2, 12).flatmap(
        lambda parts: st.lists(st.tuples(st.integers(0, parts), st.integers(0, parts)), min_size=1, max_size=25).map(
            lambda rights: [(left / parts, right / parts) for left, right in rights]
        )
    )
)
def test_the_last_digit_of_a_share_moves_no_interval(shares: list[tuple[float, float]]) -> None:
    """Thirds whose sizes differed in the last digit had half the interval; methods in the other order, another one."""
    one = difference([first - second for first, second in shares])
    exact = difference([round(first - second, 12) for first, second in shares])
    turned = difference([second - first for first, second in shares])
    assert (one.low, one.high) == pytest.approx((exact.low, exact.high), abs=1e-6)
    assert (one.low, one.high) == pytest.approx((-turned.high, -turned.low), abs=1e-6)


def test_no_problem_is_no_knowledge() -> None:
    """A division by zero in an empty table."""
    assert mean_interval([]) == (0.0, 1.0)
