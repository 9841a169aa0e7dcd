"""Processes of a vLLM engine: how their end is described, and the guard that outlives this process."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tt_scale.engines.vllm.processes import GUARD, EngineProcesses

psutil: Any = pytest.importorskip("psutil")


def processes_with(*exit_codes: int | None) -> EngineProcesses:
    """Processes of an engine with these exit codes; None while one runs."""
    processes = EngineProcesses()
    processes._known = [SimpleNamespace(exitcode=code) for code in exit_codes]  # type: ignore[misc]
    return processes


@pytest.mark.parametrize(
    ("code", "died", "ended"),
    [
        (None, "", ""),
        (1, "its process ended with status 1", ""),
        (-signal.SIGKILL, "its process was killed by signal 9", "its process was killed by signal 9"),
        (-signal.SIGBUS, "its process died of a bus error", "its process died of a bus error"),
    ],
)
def test_the_end_of_a_process_is_described(code: int | None, died: str, ended: str) -> None:
    """A run that says only that its engine is gone sends people to guess about memory."""
    assert processes_with(code).died().startswith(died)
    assert processes_with(code).ended().startswith(ended)
    assert bool(processes_with(code).died()) == bool(died)


def guard(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-I", "-c", GUARD, *arguments], stdin=subprocess.PIPE, text=True)


def test_the_guard_kills_its_processes_at_the_end_of_its_input(tmp_path: Path) -> None:
    """A killed search would leave an engine that holds all memory of the GPU, and its temporary files."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as engine:
        running = guard(str(folder))
        running.communicate(f"{engine.pid}\n", timeout=20)
        assert engine.wait(timeout=20) != 0
    assert not folder.exists()


def test_the_guard_leaves_its_processes_alone_after_a_regular_end(tmp_path: Path) -> None:
    """A guard that ends other processes of the same user once the engine is closed."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as other:
        guard(str(tmp_path)).communicate(f"{other.pid}\nend\n", timeout=20)
        assert other.poll() is None
        assert tmp_path.exists()
        other.kill()
