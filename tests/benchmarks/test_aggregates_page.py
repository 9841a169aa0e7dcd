"""`benchmarks/aggregates.py` over a replay that is small enough to be worked out by hand."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from programs import program

from tt_scale.core.aggregate import AGGREGATES

ONE = [("5", True, [0.2, 0.9]), ("7", False, [0.8, 0.8]), ("7", False, [0.1, 0.05])]
"""By the last step the right one is best, by every other aggregate a wrong one; wrong ones are the majority."""
TWO = [("5", True, [0.9]), ("3", False, [0.4]), ("5", True, [0.5])]


@pytest.fixture(scope="module")
def aggregates() -> ModuleType:
    return program("benchmarks/aggregates.py")


def row(samples: list[tuple[str, bool, list[float]]], text: str) -> dict[str, Any]:
    return {
        "question": "What is 2 + 3?",
        "answer": "5",
        "samples": [
            {"text": text.format(answer), "upstream_correct": right, "scores": {"prm": scores, "other": [0.5]}}
            for answer, right, scores in samples
        ],
    }


def replay(path: Path, text: str) -> Path:
    lines = "\n".join([json.dumps(row(samples, text)) for samples in (ONE, TWO)])
    path.write_bytes(gzip.compress(lines.encode()) if path.suffix == ".gz" else lines.encode())
    return path


def cells(aggregates: ModuleType, read: Any, prm: str) -> dict[str, list[str]]:
    return {agg: rest for agg, *rest in aggregates.sheet(read, prm).rows}


@pytest.mark.parametrize(("name", "published"), [("boxed.jsonl", False), ("numbers.jsonl.gz", True)])
async def test_a_replay_by_hand(aggregates: ModuleType, tmp_path: Path, name: str, published: bool) -> None:
    """A selector that sees another aggregate than its column says, or verdicts of another rule than is stated."""
    path = replay(tmp_path / name, "so {}, done" if published else r"so \boxed{{{}}}")
    [read] = await aggregates.graded_sets([(str(path), "last_number" if published else None)])
    assert read.prms == ["prm", "other"]
    assert aggregates.blind(read) == pytest.approx({"one sample": 0.5, "majority": 0.5, "one of all is right": 1.0})
    found = cells(aggregates, read, "prm")
    assert list(found) == list(AGGREGATES)
    assert found["last"] == ["1.000", "", "", "1.000", "", ""]  # votes of .9 against .85
    for agg in ("mean", "min", "prod", "mean_only_final"):
        assert found[agg] == ["0.500", "-0.500", "1.000", "0.500", "-0.500", "1.000"]


def test_the_exact_test_of_mcnemar(aggregates: ModuleType) -> None:
    """Six problems that only one gets right, none that only the other does: 2 / 2^6."""
    assert aggregates.told([True] * 9, [True] * 3 + [False] * 6) == f"{2 / 64:.3f}"
    assert aggregates.told([True, False], [True, False]) == "1"


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ([], "no replay is named"),
        (["gone.jsonl"], "there is no file 'gone.jsonl'"),
        (["text.jsonl"], "text.jsonl, line 1: invalid JSON"),
        (["short.jsonl"], "short.jsonl, line 1: no field for the question"),
        (["empty.jsonl"], "empty.jsonl contains no problems"),
        (["plain.jsonl"], "does not hold scores of every sample by every PRM"),
        (["--published", "packed.jsonl.gz"], "packed.jsonl.gz is no complete gzip file"),
    ],
)
def test_bad_replays_are_named(
    aggregates: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    typed: list[str],
    told: str,
) -> None:
    """A traceback of a page, and a page that is written over with nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(aggregates, "PAGE", tmp_path / "page.md")
    plain = json.dumps({"question": "q", "answer": "5", "samples": [{"text": "5"}]})
    texts = {"text": "hello", "short": '{"answer": "1"}', "empty": "", "plain": plain}
    for name, text in texts.items():
        (tmp_path / f"{name}.jsonl").write_text(text)
    (tmp_path / "packed.jsonl.gz").write_text("not packed")
    monkeypatch.setattr(sys, "argv", ["aggregates.py", *typed])
    with pytest.raises(SystemExit) as ended:
        aggregates.main()
    assert told in f"{ended.value.code} {capsys.readouterr().err}"
    assert not (tmp_path / "page.md").exists()


def test_what_a_person_wrote_stays(
    aggregates: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Advice that is lost with every new measurement."""
    page = tmp_path / "page.md"
    page.write_text("old <!-- advice -->\nTake prod.\n<!-- end of advice --> old")
    monkeypatch.setattr(aggregates, "PAGE", page)
    monkeypatch.setattr(sys, "argv", ["aggregates.py", str(replay(tmp_path / "r.jsonl", r"\boxed{{{}}}"))])
    aggregates.main()
    text = page.read_text()
    assert "<!-- advice -->\nTake prod.\n<!-- end of advice -->" in text
    assert "old" not in text
    assert "### prm, r.jsonl" in text
