"""A damaged line is set aside, named once, and its problem searched again; everything else of the run stays."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from commands import BENCH, Command, read_journal, records, snapshot

from tt_scale.bench.format.lines import read_line
from tt_scale.bench.run.journal import read_records, read_rows
from tt_scale.errors import JournalError

SMALL = (*BENCH, "--num-samples", "6", "--method", "best_of_n", "--run-tag", "t", "--concurrency", "1")
OLD = Path(__file__).parents[2] / "data" / "old_run" / "problems.jsonl"


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    return Command(capsys)


def journal_of(folder: Path) -> Path:
    return folder / "logs/t/simulated-best_of_n/problems.jsonl"


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def damaged(line: bytes, how: str) -> bytes:
    """A line with another digit, without its middle, of other JSON, or of nothing."""
    return {
        "digit": line.replace(b'"generated_tokens":', b'"generated_tokens":1', 1),
        "grade": line.replace(b'"grade":"', b'"grade":"un', 1),
        "hole": line[:100] + line[200:],
        "object": b"{}\n",
        "list": b"[1]\n",
        "empty": b"\n",
        "garbage": b"garbage\n",
        "no sum": line[: line.rindex(b',"sum"')] + b"}\n",
        "other problem": json.dumps({"v": 2}).encode() + b"\n",
    }[how]


@pytest.mark.parametrize(
    "how", ["digit", "grade", "hole", "object", "list", "empty", "garbage", "no sum", "other problem"]
)
def test_a_damaged_line_is_set_aside_and_searched_again(command: Command, tmp_path: Path, how: str) -> None:
    """One bad block refused a run of a week, whose five other lines were whole."""
    first = command(*SMALL)
    whole, path = records(tmp_path), journal_of(tmp_path)
    lines = lines_of(path)
    bad = damaged(lines[2], how)
    path.write_bytes(b"".join([*lines[:2], bad, *lines[3:]]))
    answer = command(*SMALL)
    assert (answer.status, answer.err) == (0, "")
    told = " ".join(answer.out.split())
    assert told.count("warning:") == first.out.count("warning:") + 1
    assert "problems.jsonl was damaged in line 3; it is set aside in problems.damaged.jsonl, and its" in told
    assert "Done before: 5 of 6." in answer.out
    assert path.with_name("problems.damaged.jsonl").read_bytes() == bad
    assert records(tmp_path) == whole
    assert lines_of(path)[:5] == [*lines[:2], *lines[3:]]
    again = command(*SMALL)
    assert "damaged" not in again.out
    assert "Done before: 6 of 6." in again.out


def test_several_damaged_lines_have_one_warning(command: Command, tmp_path: Path) -> None:
    """A warning for each line would bury what else is said."""
    assert command(*SMALL).status == 0
    whole, path = records(tmp_path), journal_of(tmp_path)
    lines = lines_of(path)
    path.write_bytes(b"".join([b"x" + line if place % 2 else line for place, line in enumerate(lines)]))
    answer = command(*SMALL)
    assert answer.out.count("set aside") == 1
    assert "was damaged in 3 lines (2, 4, 6); they are set aside in" in " ".join(answer.out.split())
    assert records(tmp_path) == whole
    assert len(lines_of(path.with_name("problems.damaged.jsonl"))) == 3


def test_a_damaged_line_and_a_torn_one(command: Command, tmp_path: Path) -> None:
    """The torn one is what a killed process leaves, and no news; the other one is."""
    assert command(*SMALL).status == 0
    whole, path = records(tmp_path), journal_of(tmp_path)
    lines = lines_of(path)
    path.write_bytes(b"".join([lines[0], b"?", *lines[1:5], lines[5][:300]]))
    assert "Done before: 4 of 6." in command(*SMALL).out
    assert records(tmp_path) == whole
    assert lines_of(path.with_name("problems.damaged.jsonl")) == [b"?" + lines[1]]


def test_reading_a_damaged_run_names_the_line(command: Command, tmp_path: Path) -> None:
    """Whoever only reads may not mend; who runs it again does."""
    assert command(*SMALL).status == 0
    path = journal_of(tmp_path)
    lines = lines_of(path)
    path.write_bytes(b"".join([*lines[:3], damaged(lines[3], "digit"), *lines[4:]]))
    before = snapshot(tmp_path)
    for read in (read_records, read_rows):
        with pytest.raises(JournalError, match=r"damaged in line 4.*set aside and its problem searched again"):
            list(read(path.parent))
    answer = command("compare", "logs/t", "logs/t")
    assert answer.status == 2
    assert "damaged in line 4" in answer.err
    assert snapshot(tmp_path) == before


NEW = {"tape", "right", "generator_seconds", "prm_seconds", "grading_seconds"}
"""Fields that lines of the first format have not."""


def test_an_old_journal_goes_on_with_new_lines(command: Command, tmp_path: Path) -> None:
    """Half a run of the version before: its lines stay as they are, and those behind them have checksums."""
    assert command(*SMALL).status == 0
    whole, path = records(tmp_path), journal_of(tmp_path)
    old = [{key: value for key, value in record.items() if key not in NEW} for record in read_journal(path.parent)[:3]]
    then = "".join([json.dumps(record, ensure_ascii=False) + "\n" for record in old]).encode()
    path.write_bytes(then)
    assert "Done before: 3 of 6." in command(*SMALL).out
    assert path.read_bytes().startswith(then)
    assert [read_line(line).get("right") is None for line in lines_of(path)] == [True] * 3 + [False] * 3
    found = records(tmp_path)
    for key, record in found.items():
        for field in record.keys() - NEW:
            assert record[field] == whole[key][field]
    [row] = [row for row in read_rows(path.parent) if row.id == old[0]["id"]]
    assert row.right == sum(member["grade"] == "correct" for member in old[0]["pool"])


def test_old_lines_are_read_by_everything(tmp_path: Path) -> None:
    """Runs of the present version stay readable."""
    shutil.copy(OLD, tmp_path / "problems.jsonl")
    rows, found = list(read_rows(tmp_path)), list(read_records(tmp_path))
    assert [row.id for row in rows] == [record["id"] for record in found]
    assert found == [json.loads(line) for line in OLD.read_text(encoding="utf-8").splitlines()]
