"""A small piece of `benchmarks/results.py`: searches, tables and figure."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from programs import program


@pytest.mark.slow
@pytest.mark.hf
def test_the_page_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that runs once in weeks falls behind the code that it calls."""
    results = program("benchmarks/results.py")
    (tmp_path / "docs" / "figures").mkdir(parents=True)
    monkeypatch.setattr(results, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["results.py", "--problems", "4", "--repeats", "1", "--curve-problems", "4"])
    results.main()
    assert "collective" in (tmp_path / "docs" / "results_pocket.md").read_text(encoding="utf-8")
    assert (tmp_path / "docs" / "figures" / "pocket_curve.svg").read_text(encoding="utf-8").startswith("<svg")
