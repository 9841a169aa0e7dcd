"""Parts of the page: the trees of a problem as columns, and the bundle of Vega that is kept in the cache."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest
from run_folders import member, node, record, retried, write_run

from tt_scale.report.charts import bundle
from tt_scale.report.html.tree_data import ProblemData, search_data
from tt_scale.report.search_tree import KINDS, MARKS, grow_tree
from tt_scale.report.side_by_side import side_by_side


def data_of(tmp_path: Path, *records: dict) -> dict:  # type: ignore[type-arg]
    run = side_by_side([write_run(tmp_path / "run", list(records))]).runs[0]
    problem = ProblemData(run.problems["p-0"])
    problem.add(3, run, run.search(("p-0", 0)))
    problem.add_damaged(4, 1, "its line is damaged")
    return problem.data()


def test_a_search_is_columns_of_steps(tmp_path: Path) -> None:
    pytest.importorskip("latex2mathml")
    found = data_of(tmp_path, retried(0))
    search, damaged = found["searches"]
    assert (search["run"], search["verdict"], search["answer"]) == (3, "correct", "0")
    assert damaged == {"run": 4, "repeat": 1, "damaged": "its line is damaged"}
    steps = search["steps"]
    assert len({len(column) for column in steps.values()}) == 1
    assert steps["id"][:4] == ["0.0", "1.0", "0.0.0", "1.0.0"]
    assert steps["parent"][:4] == [-1, -1, 0, 1]
    assert list(KINDS)[steps["kind"][steps["id"].index("1.0.1")]] == "answer"
    protected = steps["marks"][steps["id"].index("1.0.0")]
    assert [mark for bit, mark in enumerate(MARKS) if protected & 1 << bit] == ["protected"]
    assert steps["copies"][-2:] == [2, 0]
    assert [frame[0] for frame in search["frames"]] == ["grow", "grow", "backtrack", "retry", "grow"]
    assert [each[:3] for each in search["pool"]] == [["1.0.1", "0", "correct"], ["1.0.2", "0", "correct"]]


def test_texts_and_formulas_are_kept_once(tmp_path: Path) -> None:
    """Sixty-four samples of one problem repeat themselves; each formula takes a kilobyte."""
    pytest.importorskip("latex2mathml")
    again = [node("0.0", r"\(x^2\) is \(x^2\)."), node("0.1", r"\(x^2\) is \(x^2\).")]
    found = data_of(tmp_path, record(0, again, []))
    assert len(found["formulas"]) == 1
    [text] = [text for text in found["texts"] if " is " in text]
    assert text == [0, " is ", 0, "."]
    assert len(set(found["searches"][0]["steps"]["text"])) == 1


def test_scores_of_an_ensemble_have_a_column(tmp_path: Path) -> None:
    tree = [node("0.0", "a", 0.5, parts={"one": [0.25], "two": [0.123456]}), node("0.1", "b")]
    run = side_by_side([write_run(tmp_path / "run", [record(0, tree, [member("0.0", "0", "correct")])])]).runs[0]
    search = run.search(("p-0", 0))
    steps = search_data(search, grow_tree(search, "best_of_n", None), ProblemData(run.problems["p-0"])._texts)["steps"]
    assert steps["parts"] == [{"one": 0.25, "two": 0.1235}, {}]


@pytest.fixture
def converted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """A stand-in for vl-convert that counts what it bundles."""
    made: list[str] = []
    module = ModuleType("vl_convert")

    def javascript_bundle(snippet: str, vl_version: str) -> str:
        made.append(f"{snippet} {vl_version}")
        return "a = '</script><!--</SCRIPT>';"

    module.javascript_bundle = javascript_bundle  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vl_convert", module)
    monkeypatch.setattr(bundle, "version", lambda package: "1.0")
    monkeypatch.setenv("TT_SCALE_CACHE", str(tmp_path / "cache"))
    return made


def test_the_bundle_is_made_once(converted: list[str], tmp_path: Path) -> None:
    """It takes eight seconds."""
    scripts = {bundle.vega_script() for _ in range(3)}
    assert len(scripts) == len(converted) == 1
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["vega-1.0-6.4.js"]


def test_the_bundle_cannot_end_its_element(converted: list[str]) -> None:
    """A script element ends at the first closing tag, in whatever string it stands."""
    assert bundle.vega_script() == r"a = '\x3c/script>\x3c!--\x3c/SCRIPT>';"


def test_without_a_cache_the_bundle_is_made_again(
    converted: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TT_SCALE_CACHE", str(tmp_path / "file" / "cache"))
    assert bundle.vega_script() == bundle.vega_script()
    assert len(converted) == 2
