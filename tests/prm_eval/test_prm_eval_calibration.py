"""Ranking and calibration against closed forms and rows that a hand can work out."""

from __future__ import annotations

import math
from dataclasses import astuple
from itertools import product
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tt_scale.prm_eval.calibration import (
    expected_calibration_error,
    interval,
    reliability,
    roc_auc,
    tau_for,
)


@pytest.mark.parametrize(
    ("scores", "labels", "area"),
    [
        ([0.1, 0.9], [False, True], 1.0),
        ([0.9, 0.1], [False, True], 0.0),
        ([0.5, 0.5], [False, True], 0.5),
        ([0.1, 0.4, 0.35, 0.8], [False, False, True, True], 0.75),
        ([0.2, 0.5, 0.5, 0.5, 0.7], [False, False, True, True, False], 3 / 6),  # 2 wins, 2 ties, 2 losses
        ([-3.0, 2.0, 1e9], [False, True, True], 1.0),
    ],
)
def test_area_by_hand(scores, labels, area):
    """A tie that counts 0 or 1 moves the area of every PRM whose scores are rounded."""
    assert roc_auc(scores, labels) == pytest.approx(area)


@pytest.mark.parametrize("label", [True, False])
def test_area_of_one_class_is_no_number(label):
    """0.5 would be taken for a measurement."""
    assert math.isnan(roc_auc([0.1, 0.2], [label, label]))
    assert math.isnan(roc_auc([0.1, 0.2], [True, False], [0, 3]))


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 3)), min_size=1, max_size=30))
def test_area_counts_pairs_and_weights_are_copies(rows):
    """The definition, pair by pair, over items repeated as often as their weight says."""
    copies = [(score, label) for score, label, weight in rows for _ in range(weight)]
    pairs = [(a, b) for (a, right), (b, other) in product(copies, copies) if right and not other]
    wins = [(a > b) + (a == b) / 2 for a, b in pairs]
    found = roc_auc(*zip(*rows, strict=True))
    assert math.isnan(found) if not pairs else found == pytest.approx(sum(wins) / len(wins))


def test_area_of_two_normals():
    """Scores around +d and -d with unit variance have the area cdf(d sqrt 2)."""
    random, distance = np.random.default_rng(1), 0.7
    labels = random.random(20_000) < 0.3
    scores = random.normal(np.where(labels, distance, -distance))
    assert roc_auc(scores, labels) == pytest.approx(NormalDist().cdf(distance * math.sqrt(2)), abs=0.01)


def test_bins_by_hand():
    """The ends of bins, and the score 1 that belongs to the last one."""
    found = reliability([0.0, 0.09, 0.1, 0.95, 1.0], [False, True, True, True, False])
    expected = [(0.0, 0.1, 0.045, 0.5, 2.0), (0.1, 0.2, 0.1, 1.0, 1.0), (0.9, 1.0, 0.975, 0.5, 2.0)]
    assert list(map(astuple, found)) == [pytest.approx(each) for each in expected]
    assert expected_calibration_error(found) == pytest.approx((2 * 0.455 + 0.9 + 2 * 0.475) / 5)


def test_calibration_error_has_its_corners():
    """Truth has none, confidence in what is wrong has one, nothing has no number."""
    assert expected_calibration_error(reliability([0.0, 1.0], [False, True])) == 0.0
    assert expected_calibration_error(reliability([0.0, 1.0], [True, False])) == 1.0
    assert math.isnan(expected_calibration_error(reliability([], [])))


def test_calibration_error_of_honest_scores_vanishes():
    """Labels drawn with the very odds that the scores state."""
    random = np.random.default_rng(2)
    scores = random.random(50_000)
    assert expected_calibration_error(reliability(scores, random.random(50_000) < scores)) < 0.015
    squared = reliability(scores, random.random(50_000) < scores**2)
    assert expected_calibration_error(squared) == pytest.approx(1 / 2 - 1 / 3, abs=0.01)  # integral of x - x^2


@pytest.mark.parametrize(("rate", "tau"), [(1.0, 0.1), (0.75, 0.5), (0.5, 0.7), (0.25, 0.8), (0.3, 0.7), (0.01, 0.8)])
def test_tau_by_hand(rate, tau):
    """The shortest number that the wanted share reaches; pasted, it lets pass what was measured."""
    scores = [0.7311, 0.123, 0.8649, 0.5501]
    assert tau_for(scores, rate) == tau
    assert sum(score >= tau for score in scores) >= rate * len(scores)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.floats(0.01, 1))
def test_tau_passes_what_it_must_and_no_more_than_ties_force(scores, rate):
    """A rounded threshold that lets further scores pass is another threshold."""
    tau = tau_for(scores, rate)
    passing = [score for score in scores if score >= tau]
    assert len(passing) >= rate * len(scores) - 1e-6
    assert sum(score > min(passing) for score in passing) < rate * len(scores)


@pytest.mark.parametrize(("scores", "rate"), [([], 0.5), ([0.1], 0.0), ([0.1], 1.1)])
def test_tau_of_nothing(scores, rate):
    """Pass rates come from the command line."""
    with pytest.raises(ValueError, match="pass_rate"):
        tau_for(scores, rate)


def test_interval_of_a_mean_is_the_normal_one():
    """1.96 standard errors, by the central limit theorem."""
    values = np.random.default_rng(3).normal(size=400)
    low, high = interval(lambda weights: float(weights @ values / weights.sum()), range(400), 4000)
    error = values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - 1.96 * error, values.mean() + 1.96 * error), abs=0.01)


def test_interval_keeps_a_problem_together():
    """Sixteen copies of a problem are no sixteen problems: the interval must be that of one each."""
    values = np.random.default_rng(4).random(50)
    many, owners = np.repeat(values, 16), [number for number in range(50) for _ in range(16)]
    one = interval(lambda weights: float(weights @ values / weights.sum()), list(range(50)))
    assert interval(lambda weights: float(weights @ many / weights.sum()), owners) == pytest.approx(one)


def test_interval_of_one_problem_is_no_number():
    """Nothing can be said of the next problem from one."""
    assert all(map(math.isnan, interval(lambda weights: 1.0, ["only"] * 5)))
    assert all(map(math.isnan, interval(lambda weights: math.nan, ["a", "b"])))
