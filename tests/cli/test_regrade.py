"""`tt-scale regrade` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import BENCH, Command, snapshot
from recorded_sets import PRM, rows, write_set
from run_folders import HOSTILE, member, node, record, write_run


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    return Command(capsys)


def run_of(command: Command, folder: str, *more: str) -> str:
    """A run over two recorded problems; gives its folder."""
    name = write_set(Path("mine.jsonl"), *rows())
    typed = ("--generator", "recorded", "--dataset", name, "--prm-name", PRM, "--N", "4", "--method", "best_of_n")
    assert command("bench", *typed, "--output-dir", folder, *more).status == 0
    [manifest] = Path(folder).rglob("manifest.json")
    return str(manifest.parent)


def tables(command: Command, *typed: str) -> dict[str, list[dict[str, object]]]:
    answer = command("regrade", *typed, "--format", "json")
    assert answer.status == 0, answer.err
    return {table["title"].rpartition(": ")[2]: table["rows"] for table in json.loads(answer.out)["tables"]}


@pytest.mark.parametrize(
    ("agg", "selector"),
    [
        *(("last", "best"), ("prod", "best"), ("min", "weighted")),
        *(("mean", "majority"), ("mean_only_final", "first"), ("prod", "weighted")),
    ],
)
def test_a_run_by_other_rules_is_what_a_run_with_them_is(command: Command, agg: str, selector: str) -> None:
    """The new line equals the recorded one of a run that was made with that aggregate and selector."""
    recorded, other = run_of(command, "one"), run_of(command, "two", "--agg", agg, "--selector", selector)
    now = tables(command, recorded, "--agg", agg, "--selector", selector)
    then = tables(command, other)
    assert now["verdicts"][1]["Accuracy"] == then["verdicts"][0]["Accuracy"]
    assert [row["graded again"] for row in now["Selectors over whole pools"]] == [
        row["as recorded"] for row in then["Selectors over whole pools"]
    ]
    assert "Searches that changed" not in then  # nothing changes by the rules that a run had


def test_what_changed_is_listed_and_nothing_is_written(command: Command, tmp_path: Path) -> None:
    folder = run_of(command, "one")
    before = snapshot(tmp_path)
    answer = command("regrade", folder, "--agg", "prod")
    assert answer.status == 0
    assert "1 of 2 searches changed." in answer.out
    [changed] = tables(command, folder, "--agg", "prod")["Searches that changed"]
    assert [
        changed[key] for key in ("Problem", "Gold", "Answer then", "Verdict then", "Answer now", "Verdict now")
    ] == [*("p1", "5", "5", "correct", "7", "wrong")]
    assert snapshot(tmp_path) == before


def test_another_grader(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of two spellings, and a function of the user's that fails on some answers."""
    pool = [member("0.0", "0.5", "correct", 0.9), member("0.1", "1/2", "correct", 0.8, 1)]
    trees = [node(key, "so", state="finished", ended="eos") for key in ("0.0", "0.1")]
    known = {"best": {"1": "correct", "2": "correct"}}
    made = [record(number, trees, pool, gold="1/2", selectors=known) for number in (0, 1)]
    folder = str(write_run(tmp_path / "run", made))
    assert [row["Accuracy"] for row in tables(command, folder)["verdicts"]] == [1.0, 1.0]
    assert [row["Accuracy"] for row in tables(command, folder, "--grader", "text")["verdicts"]] == [1.0, 0.0]
    (tmp_path / "mine.py").write_text("def same(gold, answer):\n    return answer == '0.5' or 1 / 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert tables(command, folder, "--grader", "mine:same")["verdicts"][1]["Accuracy"] == 1.0
    found = tables(command, folder, "--grader", "mine:same", "--selector", "majority")
    assert found["verdicts"][1]["Ungraded"] == 0  # classes are recorded ones: the first of two is chosen
    (tmp_path / "broken.py").write_text("def same(gold, answer):\n    raise ValueError\nnumber = 5\n")
    assert tables(command, folder, "--grader", "broken:same")["verdicts"][1]["Ungraded"] == 2


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (("gone",), "There is no folder 'gone'"),
        (("run", "--agg", "median"), "'median' is not one of"),
        (("run", "--grader", "other"), "grader is 'other'. Allowed: math-verify, text, or your own module:function"),
        (("run", "--grader", "gone:same"), "grader 'gone:same' cannot be loaded: No module named 'gone'"),
        (("run", "--grader", "json:__name__"), "is a str, not a function of gold answer and answer"),
        (("run", "--agg", "prod"), "agg is 'prod', but no PRM scored the steps"),
        (("run", "--grade-timeout", "0"), "--grade-timeout"),
        (("run", "--grade-timeout", "nan"), "'nan' is not a number"),
    ],
)
def test_bad_input(command: Command, tmp_path: Path, typed: tuple[str, ...], told: str) -> None:
    write_run(tmp_path / "run", [record(0, [node("0.0", "so")], [member("0.0", "1", "wrong")])], prm="none")
    answer = command("regrade", *typed)
    assert answer.status == 2
    assert told in " ".join(answer.err.split())
    assert "Traceback" not in answer.err


def test_a_run_in_progress_with_a_damaged_line_and_a_failed_search(command: Command, tmp_path: Path) -> None:
    """All of it is said; the rest is graded."""
    failed = record(1, [], [], error="GeneratorError: gone", grade="no_answer", answer=None, selector="", selectors={})
    good = record(0, [node("0.0", "so")], [member("0.0", HOSTILE[2], "wrong")])
    folder = write_run(tmp_path / "run", [good, failed], wanted=5)
    with (folder / "problems.jsonl").open("a") as journal:
        journal.write("{}\n")
    answer = command("regrade", str(folder), "--selector", "majority")
    assert answer.status == 0
    for told in ("2 of 5 searches are recorded", "Line 3 of its journal is damaged"):
        assert told in answer.out
    assert "\x1b" not in answer.out


def test_every_method_of_a_simulated_run(command: Command) -> None:
    """A tree whose paths share steps: scores are those of the whole path, and nothing changes by its own rules."""
    assert command(*BENCH, "--method", "collective", "--num-samples", "6", "--agg", "prod").status == 0
    found = tables(command, str(next(Path("logs").glob("*/manifest.json")).parent), "--agg", "prod")
    assert "Searches that changed" not in found
    assert found["verdicts"][0]["Accuracy"] == found["verdicts"][1]["Accuracy"]
