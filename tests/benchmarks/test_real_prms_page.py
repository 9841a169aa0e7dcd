"""`benchmarks/real_prms.py` over a set that is small enough to be worked out by hand, and against a run over it."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
from commands import Command
from programs import program
from recorded_sets import PRM, rows, write_set


@pytest.fixture(scope="module")
def real_prms() -> ModuleType:
    return program("benchmarks/real_prms.py")


async def test_both_verdicts_by_hand(real_prms: ModuleType, tmp_path: Path) -> None:
    """The source calls the first problem's right answers wrong and its wrong ones right."""
    one, two = rows()
    for each in one["samples"]:
        each["correct"] = not each["correct"]
    path = write_set(tmp_path / "mine.jsonl", one | {"upstream_answer": "7"}, two | {"upstream_answer": "5"})
    [replay] = await real_prms.graded_sets([(path, None)])
    assert real_prms.other_golds(replay) == 1
    ours, theirs = [real_prms.prm_sheet(replay, PRM, source=source).rows for source in (False, True)]
    assert ours[0][:5] == ["best", "last", "1.000", "1.000", "1.000"]
    assert theirs[0][:5] == ["best", "last", "0.500", "0.500", "0.500"]
    assert ours[3][:5] == ["best", "prod", "1.000", "0.500", "0.500"]
    assert theirs[3][:5] == ["best", "prod", "0.500", "1.000", "1.000"]
    blind = {(name, verdict): cells for name, verdict, *cells in real_prms.blind_sheet(replay).rows}
    assert blind["majority", "ours"][:3] == ["1.000", "1.000", "1.000"]  # two against two: the first class
    assert blind["one of them is right", "the source's"][:3] == ["0.500", "1.000", "1.000"]
    assert blind["any one sample", "ours"][0] == "0.500"


def test_a_run_gives_the_same_numbers(
    real_prms: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that counts in another way than the command that it names."""
    monkeypatch.chdir(tmp_path)
    path = write_set(tmp_path / "mine.jsonl", *rows())
    [replay] = asyncio.run(real_prms.graded_sets([(path, None)]))
    found = {tuple(row[:2]): row[2:5] for row in real_prms.prm_sheet(replay, PRM, source=False).rows}
    for (selector, agg), shares in found.items():
        assert [run_accuracy(capsys, path, selector, agg, count) for count in (1, 2, 4)] == shares, (selector, agg)


def run_accuracy(capsys: pytest.CaptureFixture[str], path: str, selector: str, agg: str, count: int) -> str:
    folder = f"{selector}-{agg}-{count}"
    typed = ("--generator", "recorded", "--dataset", path, "--prm-name", PRM, "--N", str(count), "--agg", agg)
    assert Command(capsys)("bench", *typed, "--method", "best_of_n", "--selector", selector, "--output-dir", folder)
    [journal] = Path(folder).rglob("problems.jsonl")
    grades = [json.loads(line)["grade"] for line in journal.read_text().splitlines()]
    return f"{grades.count('correct') / len(grades):.3f}"


def test_the_page_is_written(
    real_prms: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the licence, the machine, and a table for each PRM and verdict."""
    monkeypatch.setattr(real_prms, "PAGE", tmp_path / "page.md")
    path = write_set(tmp_path / "mine.jsonl", *rows(text="so 5"))
    monkeypatch.setattr(sys, "argv", ["real_prms.py", "--last-number", path])
    real_prms.main()
    text = (tmp_path / "page.md").read_text()
    assert text == capsys.readouterr().out.removesuffix("\n")
    for told in ("CC-BY-4.0", "StrictPRMBench", " cores of an ", "`answer_rule: last_number`"):
        assert told in text
    for verdicts in ("our verdicts", "verdicts of the source"):
        assert f"### {PRM}, {verdicts}" in text


def test_no_file_is_named(
    real_prms: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["real_prms.py"])
    with pytest.raises(SystemExit):
        real_prms.main()
    assert "no file is named" in capsys.readouterr().err
