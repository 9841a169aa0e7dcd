"""Files of problems and of solutions that are too large, too deep, or hold what no text holds."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from effort import A_SECOND, moments

from tt_scale.errors import ProblemSetError
from tt_scale.prm_eval.solutions_file import read_solutions
from tt_scale.problems.load import load_problems
from tt_scale.problems.local import LARGEST_JSON, LARGEST_LINE, MOST_ROWS


def row(**own: Any) -> bytes:
    return json.dumps({"question": "q", "answer": "1", **own}).encode()


def raw(answer: str) -> bytes:
    return b'{"question": "q", "answer": ' + answer.encode() + b"}"


DEEP = "[" * 900 + "]" * 900
BOXES = "".join([f"\\boxed{{{number}}} no " for number in range(2000)])


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("x.jsonl", raw("[" * 100_000), "line 1: invalid JSON: it is nested too deeply"),
        ("x.jsonl", raw(DEEP), "is a list of 1, not text or a number"),
        ("x.jsonl", raw("9" * 5000), "it contains an integer of more than 4,300 digits"),
        ("x.jsonl", raw("1e400"), "is infinite"),
        ("x.jsonl", raw("-Infinity"), "is infinite"),
        ("x.jsonl", raw("NaN"), "is empty"),
        ("x.jsonl", row(id="a\x1b[2J"), r"the id 'a\\x1b\[2J' contains a control character"),
        ("x.jsonl", row(id="a\nb"), "contains a control character"),
        ("x.jsonl", row(answer="\ud800"), r"\\ud800 is a lone surrogate"),
        ("x.jsonl", b'{"question": "q\x00"}', "Invalid control character"),
        ("x.jsonl", b"\x00", "invalid JSON"),
        ("x.jsonl", row() + b"\n" + b"x" * (LARGEST_LINE + 1), r"line 2 has 16,777,217 characters; at most 16,777,216"),
        ("x.jsonl", row(answer=BOXES), "different boxes before the last one; at most 50 are allowed"),
        ("x.jsonl", row(answer="x" * 100_001), "has 100,001 characters; at most 100,000"),
        ("x.jsonl", b"{}\n" * (MOST_ROWS + 1), r"line 1000001: a file may contain at most 1,000,000 rows"),
        ("x.jsonl", b'{"' + b"k" * 1_000_000 + b'": 1}', "fields present: 'kkk"),
        ("x.jsonl", json.dumps({str(n): 1 for n in range(9999)}).encode(), r"'29', \.\.\.; Name|'29', \.\.\.\."),
        ("x.json", b"[" * (LARGEST_JSON + 1), "larger than 64 MiB"),
        ("x.json", b"[" * 10_000, "nested too deeply"),
        ("x.csv", b"question,answer\n" + b"x" * 200_000 + b",1", "field larger than field limit"),
        ("x.csv", b"," * 100_000, "column names must not be empty or repeated"),
    ],
)
def test_what_is_refused(name: str, data: bytes, told: str, tmp_path: Path) -> None:
    """Each was a traceback, minutes, or a message as long as the file."""
    path = tmp_path / name
    path.write_bytes(data)

    def refuse() -> None:
        with pytest.raises(ProblemSetError, match=told) as refused:
            load_problems(path)
        assert len(str(refused.value)) < 3000 + len(str(tmp_path))

    most = A_SECOND * (10 if len(data) > 10**6 else 1)
    assert moments(refuse, most) < most


@pytest.mark.parametrize(
    "data",
    [
        row(level=[[[1]]]),
        raw("1, " + f'"level": {DEEP}'),
        row(level="9" * 4000),
        raw('"1", "level": ' + "9" * 4000),
        row(question="a\x00\x1b[2J"),
        row(answer="[asy]" * 15_000 + "\\boxed{1}"),
        row(answer="\\boxed{1}" * 10_000),
        b"\n" * 1_000_000 + row(),
    ],
)
def test_unusual_files_that_are_accepted(data: bytes, tmp_path: Path) -> None:
    """A level that is none is no level; a drawing that is never closed was searched for its end again and again."""
    path = tmp_path / "x.jsonl"
    path.write_bytes(data)
    assert len(load_problems(path)) == 1
    assert moments(lambda: load_problems(path), A_SECOND) < A_SECOND


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"question": "q", "steps": ["a"], "labels": [1e400]}', "labels holds inf"),
        ('{"question": "q", "steps": ["a"], "label": ' + "9" * 4000 + "}", r"label is 999\d+\.\.\."),
        ('{"question": "q", "steps": ' + DEEP + "}", r"steps holds \[\[\[\["),
        ('{"question": "q", "steps": ["\\ud800"], "labels": [true]}', "lone surrogate"),
        ('{"id": "\\u001b", "question": "q", "steps": ["a"], "labels": [true]}', "contains a control character"),
        (
            '{"question": "q", "samples": [{"text": "a", "correct": [' + "1," * 9999 + "1]}]}",
            r"correct of sample 0 is \[1,",
        ),
    ],
)
def test_solutions_that_are_refused(text: str, told: str, tmp_path: Path) -> None:
    """The value seen stands in the message, shortened."""
    path = tmp_path / "x.jsonl"
    path.write_text(text)
    with pytest.raises(ProblemSetError, match=told) as refused:
        read_solutions(str(path))
    assert len(str(refused.value)) < 600 + len(str(tmp_path))


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes")
def test_named_pipes_are_rejected(tmp_path: Path) -> None:
    """Opening one waits for a writer that never comes."""
    path = tmp_path / "x.jsonl"
    os.mkfifo(path)
    for read in (load_problems, read_solutions):
        with pytest.raises(ProblemSetError):
            read(str(path))


def test_the_decoded_size_of_a_table_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten kilobytes of Parquet can stand for gigabytes."""
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr("tt_scale.problems.local.LARGEST", 1 << 20)
    path = tmp_path / "x.parquet"
    parquet.write_table(pa.table({"question": ["q" * 10_000] * 5000, "answer": ["1"] * 5000}), path)
    assert path.stat().st_size < 1 << 20
    with pytest.raises(ProblemSetError, match="1,048,576 bytes, decoded"):
        load_problems(path)
