"""Charts: what they hold, that Vega-Lite draws them, that they read in black and white; `tt-scale plot`."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from commands import Command
from run_folders import HOSTILE, member, node, record, retried, write_run

from tt_scale.errors import ConfigError
from tt_scale.report.charts.accuracy import accuracy_chart
from tt_scale.report.charts.kinds import CHARTS, makeable
from tt_scale.report.charts.levels import level_chart
from tt_scale.report.charts.palette import DASHES, LIGHT, SHAPES, Style
from tt_scale.report.charts.render import whole_chart
from tt_scale.report.side_by_side import SideBySide, side_by_side
from tt_scale.report.timeline import in_flight, spans_of

needs_vega = pytest.mark.skipif(find_spec("vl_convert") is None, reason="needs the extra report")
FIVE = ("accuracy-tokens", "levels", "scores", "timeline", "aggregates")


def solved(index: int, right: bool) -> dict[str, Any]:
    """A search with a right and a wrong path; the right one is chosen or not."""
    tree = [
        node("0.0", "Right.", 0.8 if right else 0.3, state="finished", ended="eos"),
        node("0.1", "Wrong.", 0.4, state="finished", ended="eos"),
    ]
    pool = [
        member("0.0", str(2 * index), "correct", tree[0]["score"]),
        member("0.1", "x", "wrong", 0.4, 1),
    ]
    return record(index, tree, pool, seconds=1.0)


@pytest.fixture
def two_runs(tmp_path: Path) -> SideBySide:
    """Forty problems, searched by two methods; one answers every other problem right, the other three in four."""
    write_run(tmp_path / "one", [solved(index, index % 2 == 0) for index in range(40)])
    write_run(tmp_path / "two", [solved(index, index % 4 != 0) for index in range(40)], method="independent")
    return side_by_side([tmp_path])


def values_of(spec: Any) -> list[dict[str, Any]]:
    """All data of a chart, wherever in it."""
    if isinstance(spec, dict):
        own = spec.get("data", {}).get("values", []) if isinstance(spec.get("data"), dict) else []
        return [*own, *[value for part in spec.values() for value in values_of(part)]]
    return [value for part in spec for value in values_of(part)] if isinstance(spec, list) else []


def test_points_are_the_figures_of_the_table(two_runs: SideBySide) -> None:
    chart = accuracy_chart(two_runs.comparison, "tokens", Style(LIGHT, two_runs.series))
    points = {value["series"]: value for value in chart["data"]["values"]}
    assert {name: point["accuracy"] for name, point in points.items()} == {"collective": 0.5, "independent": 0.75}
    for entry in two_runs.comparison.entries:
        summary = entry.summary
        assert (points[entry.label]["low"], points[entry.label]["high"]) == (summary.low, summary.high)
        assert points[entry.label]["tokens"] == entry.tokens == 8


def test_the_frontier_is_that_of_the_axis(two_runs: SideBySide) -> None:
    """Fewer generated tokens may be more tokens with those of the PRM."""
    for cost in ("tokens", "all_tokens"):
        chart = accuracy_chart(two_runs.comparison, cost, Style(LIGHT, two_runs.series))
        frontier = chart["layer"][0]["data"]["values"]
        assert [point["series"] for point in frontier] == ["independent"]


@needs_vega
@pytest.mark.parametrize("kind", CHARTS)
def test_vega_lite_draws_every_kind(two_runs: SideBySide, kind: str) -> None:
    """Compiled to Vega and drawn; a misspelt property would be dropped with a warning."""
    import vl_convert

    assert kind in makeable(two_runs)
    chart = CHARTS[kind]
    spec = whole_chart(chart.make(two_runs, Style(LIGHT, two_runs.series)), LIGHT, [chart.title])
    assert values_of(spec)
    drawn = vl_convert.vegalite_to_svg(spec, vl_version="6.4")
    assert drawn.startswith("<svg")
    assert chart.title in drawn
    assert "NaN" not in drawn


@pytest.mark.parametrize("kind", CHARTS)
def test_no_chart_holds_a_number_that_is_none(two_runs: SideBySide, kind: str) -> None:
    """Browsers cannot read NaN."""
    json.dumps(CHARTS[kind].make(two_runs, Style(LIGHT, two_runs.series)), allow_nan=False)


def test_series_differ_without_colour() -> None:
    """Eight shapes and dashes, and beyond that another pairing of colour and shape."""
    names = [f"method {number}" for number in range(16)]
    style = Style(LIGHT, names)
    scales = style.scales(names)
    pairs = list(zip(scales["color"]["scale"]["range"], scales["shape"]["scale"]["range"], strict=True))
    assert len(set(pairs)) == 16
    assert len({pair[1] for pair in pairs[:8]}) == len(SHAPES) == len(DASHES) == 8


def test_a_method_has_one_colour_in_every_chart(two_runs: SideBySide) -> None:
    style = Style(LIGHT, ["a", "b", "c"])
    assert style.scales(["c"])["color"]["scale"]["range"] == [LIGHT.series[2]]
    assert style.scales(["b", "c"])["shape"]["scale"]["range"] == [SHAPES[1], SHAPES[2]]


def test_levels_are_those_of_the_largest_budget(two_runs: SideBySide) -> None:
    """A method keeps its colour, whatever its budget."""
    entries = [replace(entry, budget=budget) for budget in (4, 16) for entry in two_runs.comparison.entries]
    found = replace(two_runs, comparison=replace(two_runs.comparison, entries=entries))
    style = Style(LIGHT, found.series)
    chart = level_chart(found, style)
    assert {value["series"] for value in values_of(chart)} == {"collective", "independent"}
    assert chart["layer"][1]["encoding"]["x"]["axis"]["title"] == "level, budget 16"
    by_tokens = accuracy_chart(found.comparison, "tokens", style)
    assert json.dumps(chart["layer"][0]["encoding"]["color"]) in json.dumps(by_tokens)


def test_searches_are_laid_out_in_time(tmp_path: Path) -> None:
    """Two at once: the third begins when the shorter of the first two ends."""
    run = side_by_side([write_run(tmp_path / "run", [retried(index) for index in range(4)])]).runs[0]
    for row, seconds in zip(run.rows, (4.0, 1.0, 2.0, 5.0), strict=True):
        row.usage.seconds = seconds
    run.manifest["config"]["concurrency"] = 2
    spans = spans_of(run)
    assert [(span.start, span.end) for span in spans] == [(0, 4), (0, 1), (1, 3), (3, 8)]
    assert in_flight(spans) == [(0, 2), (1, 2), (3, 2), (4, 1), (8, 0)]


def test_runs_without_a_prm_have_no_chart_of_it(tmp_path: Path) -> None:
    told = retried(0)
    for each in told["tree"]:
        each["scores"] = []
    found = side_by_side([write_run(tmp_path / "run", [told], prm="none")])
    assert not {"scores", "reliability", "auc-levels", "auc-depths", "aggregates"} & set(makeable(found))
    assert {"accuracy-tokens", "tokens", "timeline"} <= set(makeable(found))


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    return Command(capsys)


@needs_vega
@pytest.mark.parametrize(("name", "magic"), [("a.svg", b"<svg"), ("a.png", b"\x89PNG"), ("a.pdf", b"%PDF")])
def test_plot_writes_what_the_name_says(command: Command, tmp_path: Path, name: str, magic: bytes) -> None:
    write_run(tmp_path / "run", [solved(index, True) for index in range(20)])
    answer = command("plot", "run", "--kind", "levels", "-o", name)
    assert (answer.status, answer.err, answer.out) == (0, "", f"Chart: {name}\n")
    assert (tmp_path / name).read_bytes().startswith(magic)


@needs_vega
def test_plot_draws_the_kinds_of_a_paper(command: Command, tmp_path: Path) -> None:
    write_run(tmp_path / "run", [solved(index, index % 2 == 0) for index in range(20)], wanted=21)
    for kind in FIVE:
        answer = command("plot", "run", "--kind", kind, "-o", "a.svg")
        assert answer.status == 0
        assert "note: collective is not finished: 20 of 21 searches are recorded." in answer.err
        assert "collective is not finished" in (tmp_path / "a.svg").read_text()


@needs_vega
def test_a_tree_can_be_drawn_for_a_page_of_text(command: Command, tmp_path: Path) -> None:
    """As the report draws it."""
    write_run(tmp_path / "run", [retried(1)])
    answer = command("plot", "run", "--kind", "tree", "--problem", "1", "-o", "tree.svg")
    assert (answer.status, answer.err) == (0, "")
    drawn = (tmp_path / "tree.svg").read_text()
    assert "So it is" in drawn
    assert "×2" in drawn


@needs_vega
def test_a_tree_is_drawn_with_the_name_of_its_method(command: Command, tmp_path: Path) -> None:
    """Of two methods one was drawn, and nothing said which."""
    write_run(tmp_path / "many" / "one", [retried(0)])
    write_run(tmp_path / "many" / "two", [retried(0)], method="independent")
    answer = command("plot", "many", "--kind", "tree", "--problem", "0", "-o", "a.svg")
    assert answer.out == (
        "Chart: a.svg, the tree of collective\nTrees of this problem by other methods: --method independent\n"
    )
    answer = command("plot", "many", "--kind", "tree", "--problem", "0", "--method", "independent", "-o", "a.svg")
    assert answer.out == "Chart: a.svg, the tree of independent\n"


@needs_vega
def test_hostile_text_is_text_in_a_drawing(command: Command, tmp_path: Path) -> None:
    write_run(tmp_path / "run", [retried(0, (HOSTILE[0], HOSTILE[1]), HOSTILE[0])], dataset=HOSTILE[1])
    assert command("plot", "run", "--kind", "accuracy-tokens", "-o", "a.svg").status == 0
    assert command("plot", "run", "--kind", "tree", "--problem", "0", "-o", "b.svg").status == 0
    for name in ("a.svg", "b.svg"):
        drawn = (tmp_path / name).read_text()
        assert "<script" not in drawn
        assert "<img" not in drawn


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "-o", "a.gif"), "--output is 'a.gif'; allowed: a file that ends in .svg, .png, .pdf."),
        (("run", "-o", "no/a.svg"), "--output is 'no/a.svg', whose folder does not exist."),
        (("nowhere", "-o", "a.svg"), "There is no folder 'nowhere'."),
        (("run", "--kind", "scores", "-o", "a.svg"), "These runs hold nothing for the chart 'scores'."),
        (("run", "--kind", "tree", "-o", "a.svg"), "A tree is that of one search. Type: --problem 0"),
        (("run", "--kind", "tree", "--problem", "0", "--width", "9999", "-o", "a.svg"), "--width"),
        (("run", "--kind", "tree", "--problem", "0", "--height", "200", "-o", "a.svg"), "--height concerns charts"),
        (("run", "--repeat", "0", "-o", "a.svg"), "--repeat concerns trees: add --kind tree."),
        (("run", "--kind", "selectors", "--width", "200", "-o", "a.svg"), "--width concerns single charts"),
    ],
)
def test_mistakes_are_told(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: True)
    write_run(tmp_path / "run", [record(0, [], [])])
    answer = command("plot", *arguments)
    assert answer.status == 2
    assert message in answer.err


def test_without_the_extra_one_line_says_what_to_install(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    write_run(tmp_path / "run", [retried(0)])
    answer = command("plot", "run", "-o", "a.svg")
    assert answer.status == 2
    assert answer.err == (
        "tt-scale: A chart needs the package 'vl-convert-python', which is not installed. "
        "Type: pip install 'tt-scale[report]'\n"
    )


def test_runs_that_cannot_be_compared_are_not_drawn(tmp_path: Path) -> None:
    write_run(tmp_path / "one", [retried(0)], seed=1)
    write_run(tmp_path / "two", [retried(0)], seed=2)
    with pytest.raises(ConfigError, match="cannot be compared"):
        side_by_side([tmp_path])
