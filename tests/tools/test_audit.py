"""What `make audit` says of an index that answers, of one that does not, and of none."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from programs import program

PROGRAM = Path(__file__).parents[2] / "tools" / "audit.py"

pytestmark = pytest.mark.skipif(not PROGRAM.is_file(), reason="only in the repository")

CLEAN = {"name": "a", "version": "1.0", "vulns": []}
OPEN = {"name": "b", "version": "2.0", "vulns": [{"id": "PYSEC-1", "fix_versions": []}]}
REPAIRED = {"name": "c", "version": "3.0", "vulns": [{"id": "PYSEC-2", "fix_versions": ["3.1", "4.0"]}]}
UNKNOWN = {"name": "d", "skip_reason": "Dependency not found on PyPI and could not be audited: d (1.0)"}


@pytest.fixture
def audit() -> ModuleType:
    return program("tools/audit.py")


@pytest.mark.parametrize(
    ("packages", "status", "lines"),
    [
        ([CLEAN, CLEAN], 0, ["2 packages audited, no known vulnerabilities."]),
        (
            [CLEAN, OPEN, UNKNOWN],
            0,
            ["b 2.0: PYSEC-1, open", "2 packages audited, 1 known vulnerabilities; 1 are unknown to the index."],
        ),
        (
            [REPAIRED],
            1,
            ["c 3.0: PYSEC-2, repaired in 3.1, 4.0", "1 packages audited, 1 known vulnerabilities."],
        ),
        ([UNKNOWN], 0, ["The index answers no questions about vulnerabilities; 1 packages were not audited."]),
    ],
)
def test_what_was_found(
    audit: ModuleType, packages: Any, status: int, lines: list[str], monkeypatch: Any, capsys: Any
) -> None:
    """A mirror that knows nothing of vulnerabilities looked like a clean bill of health."""
    answers = iter(
        [SimpleNamespace(stdout="/nowhere\n"), SimpleNamespace(stdout=json.dumps({"dependencies": packages}))]
    )
    monkeypatch.setattr(audit.subprocess, "run", lambda *_, **__: next(answers))
    assert audit.main([".venv"]) == status
    assert capsys.readouterr().out.splitlines() == lines


@pytest.mark.parametrize("stdout", ["", "[]", '{"dependencies": [5]}', "{}"])
def test_an_index_that_cannot_be_reached(audit: ModuleType, stdout: str, monkeypatch: Any, capsys: Any) -> None:
    """It is said, and nothing fails: a machine without a network builds and tests all the same."""
    answers = iter(
        [
            SimpleNamespace(stdout="/nowhere\n"),
            SimpleNamespace(stdout=stdout, stderr="x\nERROR: cannot connect\n", returncode=1),
        ]
    )
    monkeypatch.setattr(audit.subprocess, "run", lambda *_, **__: next(answers))
    assert audit.main([".venv"]) == 0
    assert capsys.readouterr().out == (
        "The index cannot be asked about vulnerabilities; nothing was audited: ERROR: cannot connect\n"
    )


def test_an_index_that_never_answers(audit: ModuleType, monkeypatch: Any, capsys: Any) -> None:
    def run(command: Any, **how: Any) -> Any:
        if "timeout" in how:
            raise subprocess.TimeoutExpired(command, how["timeout"])
        return SimpleNamespace(stdout="/nowhere\n")

    monkeypatch.setattr(audit.subprocess, "run", run)
    assert audit.main([".venv"]) == 0
    assert "no answer within 900 seconds; nothing was audited" in capsys.readouterr().out
