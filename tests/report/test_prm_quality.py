"""Calibration and ranking of a PRM, on paths made by hand."""

from __future__ import annotations

import math

import pytest
from hand_made import ROW

from tt_scale.report.digest import Digest, ScoredPath
from tt_scale.report.prm_quality import (
    FEWEST,
    HISTOGRAM_BINS,
    areas_by_depth,
    areas_by_level,
    calibration,
    histogram,
    rankable,
)


def digest(paths: list[tuple[float, bool]], level: int | None = None, problem: str = "p") -> Digest:
    from dataclasses import replace

    row = replace(ROW, id=problem, level=level)
    return Digest(row, {}, tuple([ScoredPath(score, (1 - score, score), right) for score, right in paths]), {})


SEPARATED = [(0.9, True), (0.1, False)] * FEWEST


def test_scores_are_counted_in_the_bins_that_hold_them() -> None:
    """A score of exactly 1 has no bin of its own."""
    found = [digest([(0.0, True), (0.049, True), (0.05, True), (1.0, True), (0.5, False)])]
    counts = histogram(found, right=True)
    assert (len(counts), sum(counts)) == (HISTOGRAM_BINS, 4)
    assert (counts[0], counts[1], counts[-1]) == (2, 1, 1)
    assert histogram(found, right=False)[HISTOGRAM_BINS // 2] == 1


def test_calibration_compares_scores_with_grades() -> None:
    found = calibration([digest(SEPARATED)])
    assert (found.paths, found.right) == (2 * FEWEST, FEWEST)
    assert [(round(each.score, 2), each.right, each.count) for each in found.bins] == [
        (0.1, 0.0, FEWEST),
        (0.9, 1.0, FEWEST),
    ]
    assert found.error == pytest.approx(0.1)
    assert found.area is not None
    assert found.area.value == 1.0


def test_without_paths_nothing_is_claimed() -> None:
    found = calibration([digest([])])
    assert (found.bins, found.area, found.paths) == ([], None, 0)
    assert math.isnan(found.error)


def test_too_few_paths_have_no_area() -> None:
    """Seven right paths above seven wrong ones are no proof of a good PRM."""
    few = [digest(SEPARATED[2:])]
    assert calibration(few).area is None
    assert not rankable(few, "depth")
    assert rankable([digest(SEPARATED)], "depth")


def test_levels_are_ranked_apart() -> None:
    """A PRM that ranks hard problems badly and easy ones well is not described by one number."""
    reversed_paths = [(1 - score, right) for score, right in SEPARATED]
    found = areas_by_level([digest(SEPARATED, 1, "a"), digest(reversed_paths, 5, "b"), digest(SEPARATED)])
    assert [(area.group, area.value, area.paths) for area in found] == [(1, 1.0, 16), (5, 0.0, 16)]
    assert rankable([digest(SEPARATED, 1)], "level")
    assert not rankable([digest(SEPARATED)], "level")


def test_depths_are_ranked_by_their_own_step() -> None:
    """The first step of these paths scores the other way round."""
    found = areas_by_depth([digest(SEPARATED)])
    assert [(area.group, area.value) for area in found] == [(1, 0.0), (2, 1.0)]
