"""Numbers that a run does not know: no chart draws them as 0, no table prints them so."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from commands import Command
from run_folders import retried, write_run

from tt_scale.bench.stats.comparison import Comparison
from tt_scale.core.budget import Usage
from tt_scale.report.charts.kinds import CHARTS, makeable
from tt_scale.report.charts.palette import LIGHT, Style
from tt_scale.report.charts.tree import tree_figure, tree_items
from tt_scale.report.comparison_files import write_files
from tt_scale.report.html.page_data import index_data, problem_parts
from tt_scale.report.method_tables import COSTS, cost_sheet
from tt_scale.report.plots import is_drawable, plot_comparison
from tt_scale.report.run_counts import RunCounts
from tt_scale.report.run_sheets import overall_sheet, seconds_sheet
from tt_scale.report.search_tree import grow_tree
from tt_scale.report.show.problem_rows import chosen_searches, search_sheet, verdict_sheet
from tt_scale.report.show.search_view import pool_sheet, step_sheet
from tt_scale.report.side_by_side import SideBySide, side_by_side
from tt_scale.report.tables import Sheet
from tt_scale.report.tracking.tracker import metrics_of

needs_vega = pytest.mark.skipif(find_spec("vl_convert") is None, reason="needs the extra report")
DRAWN_COSTS = ("accuracy-tokens", "accuracy-all-tokens", "accuracy-seconds", "tokens", "timeline", "seconds")


def uncounted(index: int) -> dict[str, Any]:
    """A search of recorded samples that state neither tokens nor the tokens of scores; an old one has no seconds."""
    found = retried(index)
    found["usage"] = {"generator_calls": 8, "prm_calls": 8}
    for node in found["tree"]:
        for step in node["steps"]:
            step["ids"] = []
    for member in found["pool"]:
        member["tokens"] = 0
    return found


@pytest.fixture
def mixed(tmp_path: Path) -> SideBySide:
    """A run with counts beside one without."""
    write_run(tmp_path / "runs" / "one", [retried(index) for index in range(4)])
    write_run(tmp_path / "runs" / "two", [uncounted(index) for index in range(4)], method="independent")
    return side_by_side([tmp_path / "runs"])


@pytest.fixture
def unknown(tmp_path: Path) -> SideBySide:
    return side_by_side([write_run(tmp_path / "run", [uncounted(index) for index in range(4)])])


def series_of(spec: Any) -> set[str]:
    """The series that any mark of a chart has data of."""
    if isinstance(spec, dict):
        own = spec.get("data")
        values = own.get("values", []) if isinstance(own, dict) else []
        parts = [series_of(part) for part in spec.values()]
        return {value["series"] for value in values if "series" in value}.union(*parts)
    return set().union(*map(series_of, spec)) if isinstance(spec, list) else set()


def cells(sheet: Sheet, row: int = 0) -> dict[str, str]:
    return dict(zip([*sheet.words, *sheet.numbers], sheet.rows[row], strict=True))


@pytest.mark.parametrize("kind", DRAWN_COSTS)
def test_a_point_that_is_unknown_is_not_drawn_and_the_caption_says_so(mixed: SideBySide, kind: str) -> None:
    chart = CHARTS[kind]
    assert kind in makeable(mixed)
    assert series_of(chart.make(mixed, Style(LIGHT, mixed.series))) == {"collective"}
    assert chart.note(mixed) == f"Not drawn, because their {chart.unknown} are unknown: independent."


@pytest.mark.parametrize("kind", DRAWN_COSTS)
def test_a_chart_without_any_point_is_not_made(unknown: SideBySide, kind: str) -> None:
    assert kind not in makeable(unknown)


def test_charts_that_leave_nothing_out_say_nothing(tmp_path: Path) -> None:
    found = side_by_side([write_run(tmp_path / "run", [retried(0)])])
    assert {chart.note(found) for chart in CHARTS.values()} == {""}


def test_a_tooltip_says_unknown(mixed: SideBySide) -> None:
    """Vega formats a missing number as 0."""
    drawn = CHARTS["levels"].make(mixed, Style(LIGHT, mixed.series))["data"]["values"]
    assert {value["series"]: value["tokens"] for value in drawn} == {"collective": "32.0", "independent": "unknown"}


def test_generated_tokens_may_be_known_where_those_of_a_prm_are_not(tmp_path: Path) -> None:
    """Their sum is unknown then, and was drawn as the generated tokens alone."""
    record = retried(0)
    record["usage"] = {"generated_tokens": 32, "generator_calls": 8, "prm_calls": 8, "seconds": 1.0}
    found = side_by_side([write_run(tmp_path / "run", [record])])
    assert "accuracy-tokens" in makeable(found)
    assert "accuracy-all-tokens" not in makeable(found)


def test_tables_of_runs_show_a_dash(mixed: SideBySide, unknown: SideBySide) -> None:
    overall = cells(overall_sheet(mixed), 1)
    assert (overall["Tokens"], overall["PRM tokens"], overall["Seconds"]) == ("-", "-", "-")
    costs = cost_sheet("", mixed.rows, list(COSTS))
    assert {head for head, cell in cells(costs, 1).items() if cell == "-"} == {
        *("Tokens", "Wasted tokens", "Wasted", "PRM tokens", "Seconds p50", "Seconds p99"),
        *("Cached prompt", "PRM cached"),
    }
    assert cells(costs)["Tokens"] == "32"
    assert seconds_sheet(mixed).rows == []
    own = cells(verdict_sheet(unknown, chosen_searches(unknown, ()), "Problems"))
    assert (own["Tokens"], own["Seconds"]) == ("-", "-")
    for_programs = cells(search_sheet(unknown, chosen_searches(unknown, ()), "Problems"))
    assert (for_programs["Tokens"], for_programs["PRM tokens"], for_programs["Seconds"]) == ("-", "-", "-")


def test_a_search_shows_a_dash(unknown: SideBySide) -> None:
    search = unknown.runs[0].search(("p-0", 0))
    tree = grow_tree(search, "collective", None)
    assert cells(pool_sheet(search))["Tokens"] == "-"
    assert {cells(step_sheet(tree), row)["Tokens"] for row in range(len(tree.steps))} == {"-"}
    assert tree_figure(tree)["signals"][3] == {"name": "heaviest", "value": 1}
    assert {item["tokens"] for item in tree_items(tree)} == {0, None}


def test_the_page_has_no_number(unknown: SideBySide) -> None:
    pytest.importorskip("latex2mathml")
    searches = index_data(unknown)["problems"][0][-1][0]
    assert searches[0][3:5] == [None, None]
    shown = next(problem_parts(unknown))["searches"][0]
    assert (shown["tokens"], shown["seconds"]) == ([None, None], [None] * 4)
    assert set(shown["steps"]["tokens"]) == {None}


def test_the_terminal_says_unknown(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "run", [uncounted(0)])
    answer = Command(capsys)("show", "run", "0")
    assert answer.status == 0
    assert "tokens unknown in 8 requests, PRM tokens unknown," in answer.out


def alone(mixed: SideBySide, label: str) -> Comparison:
    return replace(mixed.comparison, entries=[entry for entry in mixed.comparison.entries if entry.label == label])


def test_files_of_a_comparison_hold_null(mixed: SideBySide, tmp_path: Path) -> None:
    write_files(tmp_path / "out", [mixed.comparison])
    [told] = json.loads((tmp_path / "out" / "comparison.json").read_text())["comparisons"]
    assert [(entry["tokens"], entry["prm_tokens"], entry["seconds"]) for entry in told["entries"]] == [
        (32, 50, 2.0),
        (None, None, None),
    ]


@needs_vega
def test_a_plot_names_what_it_leaves_out(mixed: SideBySide, tmp_path: Path) -> None:
    plot_comparison(mixed.comparison, str(tmp_path / "a.svg"))
    drawn = (tmp_path / "a.svg").read_text()
    assert "Not drawn, because their tokens are unknown: independent" in drawn
    assert is_drawable(alone(mixed, "collective"))
    assert not is_drawable(alone(mixed, "independent"))


def test_live_figures_leave_it_out() -> None:
    """A server without counts showed 0 tokens a second."""
    counts = RunCounts("set method", 4, usage=Usage(generator_calls=3, prm_calls=3), searched=2, began=0.0, ended=9.0)
    assert counts.speed is None
    assert not {"tokens", "prm_tokens", "tokens_per_second"} & set(metrics_of(counts))
    counted = replace(counts, usage=Usage(generated_tokens=18, generator_calls=3))
    assert counted.speed == 2.0
    assert metrics_of(counted)["tokens"] == 9.0
    assert metrics_of(counted)["prm_tokens"] == 0.0
