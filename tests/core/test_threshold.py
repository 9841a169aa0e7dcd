"""Quantiles as people write them, what they come to, and who is judged."""

from __future__ import annotations

import pytest

from tt_scale.core.path import Path
from tt_scale.core.threshold import Bar, quantile, read_quantile
from tt_scale.errors import ConfigError


@pytest.mark.parametrize(("text", "share"), [("q0.5", 0.5), ("q0", 0.0), ("q1", 1.0), ("Q.25", 0.25), (" q1. ", 1.0)])
def test_a_quantile_is_read(text: str, share: float) -> None:
    """What people write in YAML and in a shell."""
    assert read_quantile(text) == share


@pytest.mark.parametrize("text", ["q", "0.5", "0.5q", "q1.5", "q-0", "qnan", "q1e-1", "q0.5.1", "median", ""])
def test_what_is_no_quantile_is_refused(text: str) -> None:
    """A text that is half understood is a number that nobody meant."""
    with pytest.raises(ValueError, match=r"such as q0\.5"):
        read_quantile(text)


@pytest.mark.parametrize("count", [1, 2, 3, 10, 64, 100])
@pytest.mark.parametrize("hundredths", [0, 7, 29, 50, 58, 99])
def test_floor_of_the_share_fails(count: int, hundredths: int) -> None:
    """0.29 * 100 is 28.999999999999996: a step too many passes. An interpolated quantile is a score of no step."""
    scores = [number / count for number in range(count)]
    height = quantile(scores[::-1], hundredths / 100)
    assert height in scores
    assert sum(score < height for score in scores) == hundredths * count // 100


def test_of_everything_only_the_best_passes() -> None:
    """q1 is one past the end of the list; the mean of no scores is none of our business."""
    assert quantile([0.2, 0.9, 0.4], 1.0) == 0.9
    assert quantile([0.2, 0.9, 0.4], 0.0) == 0.2


def test_equal_scores_all_pass() -> None:
    """A judge that says 0.5 to everything must not fail everything."""
    assert quantile([0.5] * 10, 0.9) == 0.5


def test_a_bar_counts_who_was_judged() -> None:
    """.6 reaches .6; .55 does after one relaxation; 0.8 - 0.1 is 0.7000000000000001, and .7 passes all the same."""
    bar = Bar()
    judged = [bar.passes(Path((0, 0), score=score), 0.6, relaxed) for score, relaxed in ((0.6, 0), (0.55, 0.05))]
    assert judged == [True, True]
    assert not bar.passes(Path((0, 1), score=0.55), 0.6)
    assert bar.passes(Path((0, 2), score=0.7), 0.8, 0.1)
    assert (bar.judged, bar.passed) == (4, 3)


def test_a_quantile_is_a_score_to_the_last_digit() -> None:
    """Rounded upwards, the bar fails the very step that it was taken from."""
    score = 0.12345678901234567
    assert Bar([score]).passes(Path((0, 0), score=score), "q0.5")
    assert Bar([score]).height(0.6) == 0.6


def test_a_quantile_is_relaxed_as_a_quantile() -> None:
    """0.05 off a score is nothing to one PRM and everything to another; it never falls below q0."""
    bar = Bar([number / 1e6 for number in range(100)])
    assert [bar.height("q0.5", relaxed) for relaxed in (0.0, 0.05, 0.1, 0.6)] == [50e-6, 45e-6, 40e-6, 0.0]


def test_a_quantile_of_nothing_is_refused() -> None:
    """A comparison of a number with a text, far from where the text was given."""
    with pytest.raises(ConfigError, match=r"'q0\.5'"):
        Bar().height("q0.5")
