"""Numbers in the tables of runs that no other table has."""

from __future__ import annotations

import pytest

from tt_scale.report.method_tables import percentile


@pytest.mark.parametrize(
    ("count", "share", "rank"),
    [(1, 0.5, 1), (2, 0.5, 1), (3, 0.5, 2), (100, 0.5, 50), (100, 0.99, 99), (101, 0.99, 100)],
)
def test_percentiles_are_of_the_nearest_rank(count: int, share: float, rank: int) -> None:
    """One too far made the slowest of a hundred searches their 99th percentile."""
    assert percentile(list(range(1, count + 1)), share) == rank


def test_nothing_has_no_percentile() -> None:
    assert percentile([], 0.5) is None
