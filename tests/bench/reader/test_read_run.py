"""`tt_scale.read_run`: the public reader, on new and old folders."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest
from commands import BENCH, Command, read_journal
from run_folders import record, retried, write_run

import tt_scale
from tt_scale.bench.record import line_of_record
from tt_scale.errors import ConfigError, JournalError

OLD = Path(__file__).parents[2] / "data" / "old_run"


@pytest.fixture
def folder(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Path:
    """A run that was just made."""
    where = ("--output-dir", str(tmp_path), "--run-tag", "t", "--method", "beam_search", "--num-samples", "3")
    assert Command(capsys)(*BENCH, *where).status == 0
    return next(path.parent for path in tmp_path.rglob("problems.jsonl"))


def test_a_new_run_is_read(folder: Path) -> None:
    """Numbers, trees, tapes; a path may be a text."""
    run = tt_scale.read_run(str(folder))
    assert isinstance(run, tt_scale.RunData)
    assert (run.method, run.wanted, len(run.rows), run.partial, run.damaged) == ("beam_search", 3, 3, False, [])
    for search, written in zip(run.searches(), read_journal(folder), strict=True):
        assert isinstance(search, tt_scale.SearchRecord)
        assert search.version == 2
        assert search.row.id == written["id"]
        assert [node.key for node in search.nodes] == [node["key"] for node in written["tree"]]
        assert search.tape == written["tape"]
        assert search.tape
        assert search.tape.requests


def test_an_old_run_is_read() -> None:
    """Lines of the first format have no tape."""
    run = tt_scale.read_run(OLD)
    assert (len(run.rows), run.partial) == (5, True)
    assert {(search.version, search.tape) for search in run.searches()} == {(1, None)}


def test_nothing_is_read_before_it_is_asked_for(folder: Path) -> None:
    """A notebook that opens forty runs for their manifests waits for none of their trees."""
    run = tt_scale.read_run(folder)
    lines = (folder / "problems.jsonl").read_bytes()
    (folder / "problems.jsonl").write_bytes(lines.splitlines(keepends=True)[0])
    assert run.method == "beam_search"
    assert len(run.rows) == 1
    (folder / "problems.jsonl").write_bytes(lines)
    assert len(run.rows) == 1
    assert len(tt_scale.read_run(folder).rows) == 3


def test_a_line_with_a_wrong_checksum_is_named(folder: Path) -> None:
    path = folder / "problems.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"repeat":0', b'"repeat":1', 1))
    run = tt_scale.read_run(folder)
    assert [(line.number, line.reason) for line in run.damaged] == [(1, "its checksum is not that of its text")]
    assert len(run.rows) == len(list(run.searches())) == 2


def test_types_of_a_new_line_are_checked(tmp_path: Path) -> None:
    """A checksum may be right and the value wrong: then another program wrote the line."""
    plain = retried(0)
    parts = {key: plain.pop(key) for key in ("pool", "events", "tree")}
    whole = {**plain, "right": 2, **parts, "tape": None}
    folder = write_run(tmp_path / "run", [])
    lines = [line_of_record(whole), line_of_record({**whole, "id": "p-1"}).replace(b'"level":1', b'"level":"x"')]
    (folder / "problems.jsonl").write_bytes(b"".join(lines))
    run = tt_scale.read_run(folder)
    assert ([row.id for row in run.rows], [line.number for line in run.damaged]) == (["p-0"], [2])


def test_a_line_of_a_later_format_says_what_reads_it(folder: Path) -> None:
    from tt_scale.bench.format import lines

    body = b'{"v":3,"id":"x"'
    later = body + b',"sum":"' + lines._digest(body) + b'"}\n'
    (folder / "problems.jsonl").write_bytes(later)
    with pytest.raises(JournalError, match=r"format 3; this version reads 1 and 2.*pip install --upgrade"):
        _ = tt_scale.read_run(folder).rows


def test_folders_that_are_none_are_refused(tmp_path: Path) -> None:
    for folder, told in ((tmp_path, "there is no manifest.json"), (tmp_path / "x", "There is no folder")):
        with pytest.raises(JournalError, match=told):
            tt_scale.read_run(folder)
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match=r"is a file, not a run folder"):
        tt_scale.read_run(tmp_path / "file")


def test_a_search_that_is_not_there_is_refused(folder: Path) -> None:
    with pytest.raises(JournalError, match=r"holds no search 1 of 'nobody'"):
        tt_scale.read_run(folder).search(("nobody", 1))


def test_a_table_of_pandas(tmp_path: Path) -> None:
    """One row per search; what failed lacks counts, not its line."""
    pytest.importorskip("pandas")
    failed = {**record(2, [], []), "error": "ValueError: no", "level": None, "subject": None, "telemetry": {}}
    run = tt_scale.read_run(write_run(tmp_path / "run", [retried(0), retried(1, answer="7"), failed]))
    table = run.to_pandas()
    assert list(table.id) == ["p-0", "p-1", "p-2"]
    assert list(table.correct) == [True, False, False]
    assert list(table.generated_tokens) == [32, 32, 0]
    assert list(table.level.isna()) == [False, False, True]
    assert list(table.subject)[:2] == ["algebra", "geometry"]
    assert list(table.nodes)[:2] == [8, 8]
    assert table.groupby("level").correct.mean().to_dict() == {1: 1.0, 2: 0.0}
    empty = tt_scale.read_run(write_run(tmp_path / "none", [], wanted=3)).to_pandas()
    assert len(empty) == 0
    assert "generated_tokens" in empty


def test_without_pandas_the_message_says_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = builtins.__import__

    def without(name: str, *more: Any) -> Any:
        if name == "pandas":
            raise ImportError(name)
        return honest(name, *more)

    run = tt_scale.read_run(write_run(tmp_path / "run", [retried(0)]))
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"pip install pandas"):
        run.to_pandas()


def test_a_tag_names_the_one_run_that_it_holds(tmp_path: Path) -> None:
    """`replay logs/tag` found the run, `regrade logs/tag` said that there was none."""
    first = write_run(tmp_path / "first", [retried(0)])
    assert tt_scale.read_run(tmp_path).folder == first
    write_run(tmp_path / "second", [retried(0)])
    with pytest.raises(JournalError, match=r"contains 2 runs") as refused:
        tt_scale.read_run(tmp_path)
    assert refused.value.hint == f"Name one of them: {first}, {tmp_path / 'second'}."
