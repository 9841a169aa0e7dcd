"""Aggregates of step scores."""

from __future__ import annotations

from math import prod
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tt_scale.core.aggregate import AGGREGATES, aggregate

scores_of_paths = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("agg", "open_value", "finished_value"),
    [
        ("last", 0.5, 0.5),
        ("mean", 0.6, 0.6),
        ("min", 0.4, 0.4),
        ("prod", 0.18, 0.18),
        ("mean_only_final", 0.5, 0.6),
    ],
)
def test_worked_values(agg: str, open_value: float, finished_value: float) -> None:
    """A name that is wired to another aggregate; of .9 .4 .5 all five differ."""
    assert aggregate(agg, (0.9, 0.4, 0.5)) == pytest.approx(open_value)
    assert aggregate(agg, (0.9, 0.4, 0.5), finished=True) == pytest.approx(finished_value)


def test_aggregate_names_match_the_configuration() -> None:
    """An aggregate that is documented and missing."""
    assert set(AGGREGATES) == {"last", "mean", "min", "prod", "mean_only_final"}


@pytest.mark.parametrize("agg", AGGREGATES)
def test_the_aggregate_of_no_scores_is_zero(agg: str) -> None:
    """A root has no scores yet; min() of nothing raises."""
    assert aggregate(agg, ()) == 0.0
    assert aggregate(agg, (), finished=True) == 0.0


@given(scores=scores_of_paths, finished=st.booleans())
def test_against_the_definitions(scores: list[float], finished: bool) -> None:
    """Off by one in an aggregate: the first step left out, or the newest."""
    expected = {
        "last": scores[-1],
        "mean": fmean(scores),
        "min": sorted(scores)[0],
        "prod": prod(scores),
        "mean_only_final": fmean(scores) if finished else scores[-1],
    }
    for agg, value in expected.items():
        assert aggregate(agg, scores, finished) == pytest.approx(value)
        assert 0.0 <= aggregate(agg, scores, finished) <= 1.0 + 1e-12
