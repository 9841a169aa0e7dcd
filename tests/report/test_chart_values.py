"""What charts of costs, scores and selection draw, as numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from run_folders import member, node, record, retried, write_run

from tt_scale.report.charts.cost import seconds_chart, timeline_chart, token_chart
from tt_scale.report.charts.palette import LIGHT, Style
from tt_scale.report.charts.scores import area_chart, reliability_chart, score_chart
from tt_scale.report.charts.selection import aggregate_chart, selector_chart
from tt_scale.report.prm_quality import FEWEST
from tt_scale.report.side_by_side import SideBySide, side_by_side

STYLE = Style(LIGHT, ["collective"])


def judged(index: int) -> dict[str, Any]:
    """A right path that ends well and began badly, and a wrong one the other way round."""
    tree = [
        node("0.0", "", 0.9, steps=["a", "b"], scores=[0.2, 0.9], state="finished", ended="eos"),
        node("0.1", "", 0.4, steps=["c", "d"], scores=[0.8, 0.4], state="finished", ended="eos"),
    ]
    pool = [member("0.0", str(2 * index), "correct", 0.9), member("0.1", "x", "wrong", 0.4, 1)]
    selectors = {"best": {"1": "correct", "2": "correct"}, "majority": {"1": "correct", "2": "wrong"}}
    return record(index, tree, pool, selectors=selectors)


@pytest.fixture
def found(tmp_path: Path) -> SideBySide:
    return side_by_side([write_run(tmp_path / "run", [judged(index) for index in range(FEWEST)])])


def values(chart: dict[str, Any], layer: int | None = None) -> list[dict[str, Any]]:
    part = chart if layer is None else chart["layer"][layer]
    return list(part["data"]["values"])


def test_tokens_are_shares_of_all_that_were_generated(tmp_path: Path) -> None:
    chart = token_chart(side_by_side([write_run(tmp_path / "run", [retried(0)])]).digests, STYLE)
    assert {value["fate"]: (value["tokens"], value["share"]) for value in values(chart)} == {
        "in the pool": (12.0, 0.375),
        "retried": (8.0, 0.25),
        "cut by a limit": (0.0, 0.0),
        "not continued": (12.0, 0.375),
    }
    assert chart["encoding"]["color"]["scale"]["domain"] == ["in the pool", "retried", "not continued"]


def test_seconds_are_a_cumulative_distribution(found: SideBySide) -> None:
    """Searches of 0.5, 1.5, ... seconds."""
    drawn = values(seconds_chart(found.runs, STYLE))
    assert [value["seconds"] for value in drawn[:2]] == [0.5, 1.5]
    assert [value["share"] for value in drawn][:2] == [1 / FEWEST, 2 / FEWEST]
    assert drawn[-1] == {"series": "collective", "seconds": FEWEST - 0.5, "share": 1.0}


def test_many_points_are_thinned_out_and_keep_their_end(tmp_path: Path) -> None:
    found = side_by_side([write_run(tmp_path / "run", [record(index, [], []) for index in range(1000)])])
    for chart, last in ((seconds_chart(found.runs, STYLE), "share"), (timeline_chart(found.runs, STYLE), "searches")):
        drawn = values(chart)
        assert 200 < len(drawn) < 600
        assert drawn[-1][last] == (1.0 if last == "share" else 0)


def test_scores_of_correct_paths_point_upwards(found: SideBySide) -> None:
    drawn = [value for value in values(score_chart(found.digests, STYLE)) if value["count"]]
    assert [(value["kind"], value["span"], value["share"], value["size"]) for value in drawn] == [
        ("correct", "0.90 to 0.95", 1.0, 1.0),
        ("wrong", "0.40 to 0.45", -1.0, 1.0),
    ]


def test_a_reliability_curve_has_the_bins_that_hold_paths(found: SideBySide) -> None:
    drawn = values(reliability_chart(found.digests, STYLE), 1)
    assert [(round(value["score"], 1), value["right"], value["paths"]) for value in drawn] == [
        (0.4, 0.0, FEWEST),
        (0.9, 1.0, FEWEST),
    ]


def test_areas_by_depth_are_those_of_single_steps(found: SideBySide) -> None:
    """First steps rank these paths the wrong way round."""
    drawn = values(area_chart(found.digests, "depth", STYLE))
    assert [(value["group"], value["value"]) for value in drawn] == [(1, 0.0), (2, 1.0)]


def test_aggregates_select_anew_from_the_same_pools(found: SideBySide) -> None:
    """By the last step the right path is best, by the mean of both the wrong one."""
    drawn = {
        (each["aggregate"], each["series"]): each["accuracy"] for each in values(aggregate_chart(found.digests, STYLE))
    }
    assert drawn["last", "best"] == 1.0
    assert drawn["mean", "best"] == 0.0


def test_a_search_without_votes_counts_as_wrong(found: SideBySide) -> None:
    """A failed search stays in the denominator."""
    digests = {name: [*own[:-1], replace(own[-1], votes={})] for name, own in found.digests.items()}
    drawn = {(each["aggregate"], each["series"]): each["accuracy"] for each in values(aggregate_chart(digests, STYLE))}
    assert drawn["last", "best"] == 1 - 1 / FEWEST


def test_selectors_see_growing_parts_of_a_pool(found: SideBySide) -> None:
    drawn = {(each["series"], each["size"]): each["accuracy"] for each in values(selector_chart(found, STYLE))}
    assert drawn == {("best", 1): 1.0, ("best", 2): 1.0, ("majority", 1): 1.0, ("majority", 2): 0.0}
