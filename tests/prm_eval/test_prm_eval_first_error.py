"""The first wrong step, by hand and against a search over every threshold."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tt_scale.prm_eval.first_error import Verdict, accuracies, best_threshold, f1, first_below

ROWS = [
    Verdict((0.9, 0.2, 0.1), 1),  # found for 0.2 < threshold <= 0.9
    Verdict((0.6, 0.8, 0.3), 2),  # found for 0.3 < threshold <= 0.6
    Verdict((0.4, 0.9), 1),  # never: the step before it looks worse
    Verdict((0.95, 0.7), None),  # intact up to 0.7
    Verdict((0.55,), None),  # intact up to 0.55
]


@pytest.mark.parametrize(
    ("threshold", "erroneous", "correct"),
    [(0.1, 0.0, 1.0), (0.25, 1 / 3, 1.0), (0.5, 2 / 3, 1.0), (0.58, 2 / 3, 0.5), (0.8, 1 / 3, 0.0)],
)
def test_accuracies_by_hand(threshold, erroneous, correct):
    """A step at the threshold is not below it; the wrong step that is named too early is no hit."""
    found = accuracies(ROWS, threshold)
    assert (found.erroneous, found.correct) == pytest.approx((erroneous, correct))
    assert found.f1 == pytest.approx(f1(erroneous, correct))


def test_the_step_at_the_threshold_passes():
    """As a search accepts it."""
    assert first_below((0.5, 0.4), 0.5) == 1
    assert first_below((0.5,), 0.5) is None


def test_best_threshold_by_hand():
    """The best gap lies between 0.3 and 0.55."""
    assert best_threshold(ROWS) == pytest.approx((0.3 + 0.55) / 2)


def test_a_solution_without_scores_is_never_a_hit():
    """Left out of the denominator, a PRM that fails on hard problems would look better for it."""
    found = accuracies([Verdict((), None), Verdict((0.9,), None), Verdict((), 0), Verdict((0.1,), 0)], 0.5)
    assert (found.erroneous, found.correct) == (0.5, 0.5)


def test_one_kind_alone_has_no_f1():
    """A set without errors measures half of it."""
    found = accuracies([Verdict((0.9,), None)], 0.5)
    assert (found.correct, math.isnan(found.erroneous), math.isnan(found.f1)) == (1.0, True, True)
    assert best_threshold([Verdict((0.9,), None)]) == 0.5
    assert f1(0.0, 0.0) == 0.0


def test_weights_are_copies():
    """Resamples of problems are weighted, not copied."""
    weights = [2, 0, 1, 3, 1]
    copies = [row for row, weight in zip(ROWS, weights, strict=True) for _ in range(weight)]
    assert accuracies(ROWS, 0.58, weights) == accuracies(copies, 0.58)


@st.composite
def verdict(draw):
    scores = tuple(draw(st.lists(st.integers(0, 10).map(lambda tenths: tenths / 10), max_size=4)))
    return Verdict(scores, draw(st.sampled_from([None, *range(max(1, len(scores)))])))


@given(st.lists(verdict(), min_size=1, max_size=12))
def test_best_threshold_is_the_best_of_all(rows):
    """Every threshold between two scores, tried one by one, and the scores themselves."""
    if len({row.error is None for row in rows}) < 2:
        return
    best = max(accuracies(rows, step / 20).f1 for step in range(21))
    assert accuracies(rows, best_threshold(rows)).f1 == pytest.approx(best)
