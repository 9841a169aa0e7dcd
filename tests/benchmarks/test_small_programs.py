"""Programs of `benchmarks/` that measure one thing: they run, and print what they promise."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from programs import program

SAMPLES = [{"text": "So \\boxed{2}."}, {"text": "\\boxed{3}"}, {"text": "none"}]


def test_grading_counts_verdicts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "samples.jsonl"
    file.write_text(json.dumps({"question": "What is 1 + 1?", "answer": "2", "samples": SAMPLES}) + "\n")
    monkeypatch.setattr(sys, "argv", ["grading.py", str(file)])
    program("benchmarks/grading.py").main()
    told = capsys.readouterr().out
    assert told.startswith("3 samples: ")
    assert {"1 correct", "1 wrong", "1 no_answer"} <= {part.partition(";")[0] for part in told[11:].split(", ")}


@pytest.mark.slow
def test_every_kind_of_text_is_measured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["event_loop.py", "--tries", "1"])
    program("benchmarks/event_loop.py").main()
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if line.endswith("ms |")]
    assert len(rows) == 6
    assert all(len(row) == 3 for row in rows)
