"""`--format` and `--report` of the commands that search and measure, as a user types them."""

from __future__ import annotations

import csv
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from commands import BENCH, SIMULATED, Answer, Command, snapshot

FEW = ("--num-samples", "8")
TWO = ("--method", "best_of_n", "--method", "collective", "--temperature", "0.7", "--temp-origin", "0.7")
COMPARE = ("compare", *SIMULATED, "--dataset", "simulated", *TWO, "--budget", "4", *FEW)
SWEEP = ("sweep", *SIMULATED, "--dataset", "simulated", "--method", "collective", *FEW)
PRM_EVAL = ("prm-eval", "simulated", "--model-name", "simulated", "--dataset", "simulated", *FEW)
CALIBRATE = ("calibrate", *PRM_EVAL[1:])
PRINTING = (BENCH + TWO + FEW, COMPARE, (*SWEEP, "--random", "4"), PRM_EVAL, CALIBRATE)

PACKAGES = ("vl_convert", "jinja2", "latex2mathml")
needs_extra = pytest.mark.skipif(not all(map(find_spec, PACKAGES)), reason="needs the extra report")


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    return Command(capsys)


def tables(answer: Answer) -> dict[str, list[dict[str, Any]]]:
    assert answer.status == 0, answer.err
    return {table["title"]: table["rows"] for table in json.loads(answer.out)["tables"]}


def records_of(folder: Path) -> list[dict[str, Any]]:
    [path] = folder.glob("*best_of_n*/problems.jsonl")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("arguments", PRINTING, ids=lambda each: each[0])
@pytest.mark.parametrize("form", ["markdown", "latex", "csv", "json"])
def test_tables_alone_go_to_standard_output(command: Command, arguments: tuple[str, ...], form: str) -> None:
    """What people read goes to standard error, so that a redirected table is a table."""
    answer = command(*arguments, "--format", form)
    assert answer.status == 0
    assert "Records" in answer.err
    assert not [word for word in ("Records", "tokens/s", "Verdict") if word in answer.out]
    begins = {"markdown": "**", "latex": "\\begin{table}\n", "json": '{\n  "tables": ['}
    assert answer.out.startswith(begins.get(form, ""))
    if form == "latex":
        assert answer.out.count("\\toprule") == answer.out.count("\\bottomrule") >= 1
    if form == "csv":
        assert all(len(row) != 1 or row[0] for row in csv.reader(answer.out.splitlines()) if row)


def test_figures_are_those_of_the_records_unrounded(command: Command, tmp_path: Path) -> None:
    found = tables(command(*BENCH, *TWO, *FEW, "--format", "json"))
    [row] = [row for row in found["simulated: simulated with simulated"] if row["Level"] == "Overall"][:1]
    records = records_of(tmp_path / "logs")
    assert (row["Method"], row["Samples"]) == ("best_of_n", 8)
    assert row["Accuracy"] == sum([each["grade"] == "correct" for each in records]) / 8
    assert row["Avg tokens"] == sum([each["usage"]["generated_tokens"] for each in records]) / 8
    assert 0 < row["Accuracy low"] < row["Accuracy"] < row["Accuracy high"] < 1


def test_every_recipe_of_a_sweep_is_written(command: Command) -> None:
    """The terminal shows twenty."""
    answer = command(*SWEEP, "--random", "30", "--format", "json")
    ranking, over = tables(answer).values()
    assert len(ranking) + len(over) > 20
    assert all(row["Recipe"] and isinstance(row["Accuracy"], float) for row in [*ranking, *over])


def test_tables_of_several_sets_name_their_set(command: Command, tmp_path: Path) -> None:
    problem = json.dumps({"problem": "Simulated problem 7: level 3, 5 steps.", "answer": "2"})
    (tmp_path / "own.jsonl").write_text(f"{problem}\n", encoding="utf-8")
    answer = command(*BENCH, "--dataset", "own.jsonl", *TWO, "--num-samples", "1", "--format", "json")
    titles = list(tables(answer))
    assert all(title.startswith(("simulated: ", "own")) for title in titles)
    assert len(titles) == len(set(titles))


def test_finished_runs_are_compared_in_any_format(command: Command) -> None:
    assert command(*BENCH, *TWO, *FEW).status == 0
    found = tables(command("compare", "logs", "--format", "json"))
    assert [row["Method"] for row in found["Every method"]] == ["best_of_n", "majority of best_of_n", "collective"]


def test_an_unknown_format_is_refused_before_the_run(command: Command, tmp_path: Path) -> None:
    answer = command(*BENCH, "--format", "html")
    assert answer.status == 2
    assert "'html' is not one of 'markdown', 'latex', 'csv', 'json'" in answer.err
    assert not snapshot(tmp_path)


@needs_extra
@pytest.mark.parametrize("arguments", [BENCH + TWO + FEW, COMPARE], ids=lambda each: each[0])
def test_a_command_writes_its_report(command: Command, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Of the runs that it made, though others lie in the same folder."""
    assert command(*BENCH, "--method", "dvts", *FEW).status == 0
    answer = command(*arguments, "--report", "report.html")
    assert answer.status == 0
    assert "Report: report.html" in answer.out
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "collective" in page
    assert "best_of_n" in page
    assert "dvts" not in page.split("<script", 1)[0]


@needs_extra
def test_each_problem_set_has_a_report(command: Command, tmp_path: Path) -> None:
    problem = json.dumps({"problem": "Simulated problem 7: level 3, 5 steps.", "answer": "2"})
    (tmp_path / "own.jsonl").write_text(f"{problem}\n", encoding="utf-8")
    answer = command(*BENCH, "--dataset", "own.jsonl", *FEW, "--report", "r.html")
    assert answer.status == 0
    assert answer.out.count("Report: ") == 2
    assert "simulated" in (tmp_path / "r-1.html").read_text(encoding="utf-8")
    assert "own" in (tmp_path / "r-2.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("arguments", [BENCH, COMPARE], ids=lambda each: each[0])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("report.html", "Type: pip install 'tt-scale[report]'"),
        ("report.txt", "Name a file that ends in .html."),
        ("no/report.html", "--report is 'no/report.html', whose folder does not exist."),
    ],
)
def test_what_hinders_a_report_is_told_before_the_run(
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    name: str,
    message: str,
) -> None:
    """One line, and no model was loaded, no folder made."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    answer = command(*arguments, "--report", name)
    assert (answer.status, answer.out) == (2, "")
    assert message in answer.err
    assert answer.err.count("\n") == 1
    assert not snapshot(tmp_path)
