"""A bounded piece of `benchmarks/fuzz.py`, and whether it would notice what it looks for."""

from __future__ import annotations

import time
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pytest
from programs import program

TARGETS = ["extraction", "segmentation", "grading", "configuration", "problem files", "servers", "printing", "journal"]


@pytest.fixture(scope="module")
def fuzz() -> ModuleType:
    return program("benchmarks/fuzz.py")


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_escapes(fuzz: ModuleType, name: str) -> None:
    """What a model, a file or a server says ends in a value or in an error of ours, in time."""
    found = fuzz.fuzz(name, 600, seed=1)
    assert found.inputs == 600
    assert found.failures == {}
    assert found.refused < found.inputs  # else its inputs never reached what is fuzzed


def test_journals_are_damaged_and_reopened(fuzz: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """A target that fails before it has damaged a line looks like one that finds nothing."""
    reopened: list[bytes] = []
    whole = fuzz.reopened

    def watched(manifest: Any, lines: Any, line: bytes) -> None:
        whole(manifest, lines, line)
        reopened.append(line)

    monkeypatch.setattr(fuzz, "reopened", watched)
    monkeypatch.setattr(fuzz, "REOPENED", 1.0)
    found = fuzz.fuzz("journal", 50, seed=2)
    assert (found.refused, found.failures) == (0, {})
    assert len(reopened) == 50
    monkeypatch.setattr(fuzz, "head_of", lambda line: None)
    monkeypatch.setattr(fuzz, "read_line", lambda line: {})
    accepted = fuzz.fuzz("journal", 50, seed=2).failures
    assert any("a damaged line is accepted" in kind for kind in accepted)


def test_what_it_notices(fuzz: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fuzzer that can find nothing finds nothing."""
    monkeypatch.setattr(fuzz, "HANGS", 0.1)

    hanging = iter([True, True])

    def breaks(text: str, chance: Random) -> None:
        if len(text) > 40:
            raise KeyError("x")
        fuzz.law(len(text) < 30, "too long")
        if 10 < len(text) < 20:
            end = time.thread_time() + 0.02
            while time.thread_time() < end:
                pass
        if text == "" and next(hanging, False):
            while True:
                pass

    monkeypatch.setitem(fuzz.TARGETS, "broken", fuzz.Target(["a"], breaks, 0.01, longest=50))
    failures: dict[str, Any] = fuzz.fuzz("broken", 250, seed=0).failures
    kinds = " ".join(failures)
    for kind in ("KeyError", "BrokenLawError: too long", "slow: over 0.01 s", "hangs: over 0 s"):
        assert kind in kinds


def test_it_continues_where_it_was_stopped(fuzz: ModuleType, tmp_path: Path) -> None:
    """A million inputs take hours; a machine that is needed is given up in between."""
    path = tmp_path / "state.json"
    whole = fuzz.fuzz("printing", 20_000, seed=3)
    first = fuzz.State(path, 3)
    fuzz.fuzz("printing", 10_000, 3, first.of("printing"), lambda found: first.keep("printing", found))
    assert fuzz.State(path, 4).of("printing") == fuzz.Findings()
    again = fuzz.State(path, 3)
    found = fuzz.fuzz("printing", 20_000, 3, again.of("printing"))
    assert (found.inputs, found.batches) == (whole.inputs, whole.batches)
    assert (found.inputs, found.batches) == (20_000, 2)
