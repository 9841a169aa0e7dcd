"""A run folder that an earlier layout of the code wrote goes on, and ends as that code ended it."""

from __future__ import annotations

import csv
import json
import shutil
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest
from commands import BENCH, Command, read_journal

from tt_scale.config import digest
from tt_scale.grading import Grader

OLD = Path(__file__).parents[2] / "data" / "old_run"
FOLDER = "simulated-best_of_n-ac18fe90c20d"
GRADED_BY = "math-verify 0.9.0"
"""What graded the stored rows."""


def stored_run(logs: Path) -> Path:
    """Lay the stored folder where bench looks for it; another version of math-verify would rightly be refused."""
    manifest = json.loads((OLD / "manifest.json").read_text(encoding="utf-8"))
    with Grader() as grader:
        manifest["experiment"]["grader"] = f"{grader.name} {grader.version}"
    found = digest(manifest["experiment"])
    assert found == manifest["digest"] or manifest["experiment"]["grader"] != GRADED_BY
    folder = logs / FOLDER.replace(manifest["digest"], found)
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({**manifest, "digest": found}), encoding="utf-8")
    shutil.copy(OLD / "problems.jsonl", folder)
    return folder


def details(path: Path) -> list[dict[str, str]]:
    """The rows of a detail log, without what depends on the clock."""
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def tree_digest(record: dict[str, Any]) -> str:
    """A digest of everything that a search did."""
    parts = [record[key] for key in ("selectors", "pool", "events", "tree")]
    return blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=6).hexdigest()


def test_a_run_from_before_the_packages_goes_on(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key, a default or a seed that changes its name or its place with its module would make it another run."""
    monkeypatch.chdir(tmp_path)
    folder = stored_run(tmp_path / "logs")
    answer = Command(capsys)(*BENCH, "--num-samples", "12", "--method", "best_of_n")
    assert (answer.status, answer.err) == (0, "")
    assert "Done before: 5 of 12." in answer.out
    assert [path.name for path in (tmp_path / "logs").iterdir() if path.is_dir()] == [folder.name]
    lines = (folder / "problems.jsonl").read_text(encoding="utf-8").splitlines()
    assert lines[:5] == (OLD / "problems.jsonl").read_text(encoding="utf-8").splitlines()
    assert details(folder / "detail.csv") == details(OLD / "detail.csv")
    assert [json.loads(line).get("v", 1) for line in lines] == [1] * 5 + [2] * 7
    records = {record["id"]: record for record in read_journal(folder)}
    trees = json.loads((OLD / "trees.json").read_text(encoding="utf-8"))
    assert {name: tree_digest(record) for name, record in records.items()} == trees
