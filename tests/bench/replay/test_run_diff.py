"""`tt-scale diff`: two runs held against each other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import Command
from run_folders import HOSTILE, retried, write_run


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    return Command(capsys)


def test_equal_runs(command: Command, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_run(tmp_path / name, [retried(0), retried(1, answer="7")])
    answer = command("diff", "a", "b")
    assert (answer.status, answer.err) == (0, "")
    assert answer.out.splitlines() == [
        "- a: collective, 2 of 2 searches",
        "+ b: collective, 2 of 2 searches",
        "Of 2 searches that both have: 1 right in both, 0 only in -, 0 only in +, 1 in neither",
        "No key, problem or verdict differs.",
    ]


def test_what_differs_is_listed(command: Command, tmp_path: Path) -> None:
    """Keys, versions, problems and verdicts; whatever else is equal is not shown."""
    write_run(tmp_path / "a", [retried(0), retried(1), retried(2), retried(3)])
    other = [retried(0), retried(1, answer="7"), {**retried(2), "question": "What else?"}, retried(4)]
    path = write_run(tmp_path / "b", other, method="independent", seed=2) / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["versions"]["torch"] = "9.9"
    path.write_text(json.dumps(manifest))
    answer = command("diff", "a", "b")
    assert answer.status == 1
    lines = [" ".join(line.split()) for line in answer.out.splitlines()]
    assert "method collective independent" in lines
    assert any(line.startswith("seed ") and line.endswith(" 2") for line in lines)
    assert any(line.startswith("torch ") and line.endswith(" 9.9") for line in lines)
    assert "Only in - (1): p-3" in lines
    assert "Only in + (1): p-4" in lines
    assert "p-2 What is 2 + 2? What else?" in lines
    assert "p-1 correct (2) wrong (7)" in lines
    assert "Of 3 searches that both have: 2 right in both, 1 only in -, 0 only in +, 0 in neither" in lines
    assert not any(line.startswith(("agg ", "p-0 ")) for line in lines)


def test_another_version_alone_is_no_difference(command: Command, tmp_path: Path) -> None:
    """The same numbers on another machine are what people hope for."""
    write_run(tmp_path / "a", [retried(0)])
    path = write_run(tmp_path / "b", [retried(0)]) / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "versions": {"python": "4.0"}}))
    answer = command("diff", "a", "b")
    assert answer.status == 0
    assert "4.0" in answer.out


def test_many_verdicts_are_cut_short(command: Command, tmp_path: Path) -> None:
    write_run(tmp_path / "a", [retried(number) for number in range(30)])
    write_run(tmp_path / "b", [retried(number, answer="x") for number in range(30)])
    assert "and 10 more; --all lists them" in command("diff", "a", "b").out
    assert "p-29" in command("diff", "a", "b", "--all").out


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_text(command: Command, tmp_path: Path, text: str) -> None:
    write_run(tmp_path / "a", [retried(1)])
    write_run(tmp_path / "b", [{**retried(1, answer=text), "question": text}])
    out = command("diff", "a", "b").out
    assert "\x1b" not in out
    assert "\u202e" not in out


def test_mistakes_are_told(command: Command, tmp_path: Path) -> None:
    write_run(tmp_path / "a", [retried(1)])
    (tmp_path / "empty").mkdir()
    for other, told in (("nowhere", "There is no folder 'nowhere'"), ("empty", "holds none: there is no manifest")):
        answer = command("diff", "a", other)
        assert (answer.status, told in answer.err) == (2, True)
    assert command("diff", "a").status == 2
    with (tmp_path / "a" / "problems.jsonl").open("a") as lines:
        lines.write("{broken}\n")
    assert "- line 2 of its journal is damaged (it is not JSON)" in command("diff", "a", "a").out
