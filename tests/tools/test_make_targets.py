"""`make test` and `make test-slow`: between them every test that this machine can run, once."""

from __future__ import annotations

import re
import shlex
import subprocess
from itertools import combinations
from pathlib import Path
from shutil import which

import pytest

ROOT = Path(__file__).parents[2]
ELSEWHERE = {"gpu", "network"}
"""What needs more than this machine."""

pytestmark = pytest.mark.skipif(
    not (ROOT / "Makefile").is_file() or which("make") is None, reason="needs a checkout and make"
)


def selections(target: str) -> list[str]:
    """The tests that a target runs, as pytest selects them by their marks; left out is what runs them otherwise."""
    told = subprocess.run(
        ["make", "--no-print-directory", "-n", target], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    lines = [line for line in told.splitlines() if " -m pytest " in line and "--random-order" not in line]
    return [chosen[1] for line in lines if (chosen := re.search(r'-m "(.+)"', line))]


def our_marks() -> list[str]:
    """The marks of pyproject.toml."""
    _, _, listed = (ROOT / "pyproject.toml").read_text(encoding="utf-8").partition("markers = [")
    return re.findall(r'^ *"(\w+): ', listed, re.MULTILINE)


def test_every_test_runs_once() -> None:
    """A kind of test that no target runs rots unseen; one that two run makes everybody wait twice."""
    found = [*selections("test"), *selections("test-slow")]
    assert len(found) == 3
    assert selections("test-all") == found
    marks = our_marks()
    assert {"slow", "hf", "vllm", *ELSEWHERE} <= {*marks}
    for size in range(len(marks) + 1):
        for own in map(set, combinations(marks, size)):
            runs = [eval(selection, {}, {mark: mark in own for mark in marks}) for selection in found]
            assert sum(runs) == (0 if own & ELSEWHERE else 1), own


@pytest.mark.parametrize(
    ("typed", "config", "dtype"),
    [
        ([], "pocket", ["--dtype", "float32"]),
        (["CONFIG=tt_scale/config/recipes/pocket.yaml"], "tt_scale/config/recipes/pocket.yaml", ["--dtype", "float32"]),
        (["CONFIG=cpu"], "cpu", []),
        (["CONFIG=my runs/mine.yaml"], "my runs/mine.yaml", []),
        (["CONFIG=cpu", "DTYPE=float32"], "cpu", ["--dtype", "float32"]),
    ],
)
def test_bench_takes_a_recipe_or_a_path(typed: list[str], config: str, dtype: list[str]) -> None:
    """Only the pocket recipe is set to float32, by which its table is the same on every machine."""
    told = subprocess.run(
        ["make", "--no-print-directory", "-n", "bench", *typed], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    words = shlex.split(told.splitlines()[-1])
    assert words[1:4] == ["bench", "--config", config]
    assert words[words.index("independent") + 1 :] == dtype
