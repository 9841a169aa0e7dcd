"""In which order models start, and what one engine's start leaves another, with engines that are no engines."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tt_scale.engines.vllm.engine as engine
from tt_scale.config import Config
from tt_scale.core.records import Weights
from tt_scale.engines.vllm.engine import Engine
from tt_scale.errors import GeneratorError
from tt_scale.generator.simulated import SimulatedGenerator
from tt_scale.models import open_models
from tt_scale.prm.simulated import SimulatedPRM

pytest.importorskip("psutil")


class Recorder:
    """A generator and a PRM that write down what happens to them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, goes_on: bool, fails: str = "") -> None:
        self.events: list[str] = []
        self._goes_on, self._fails = goes_on, fails
        for kind, name in ((SimulatedGenerator, "generator"), (SimulatedPRM, "prm")):
            monkeypatch.setattr(kind, "start", self._start(name), raising=False)
            monkeypatch.setattr(kind, "close", self._close(name), raising=False)
        monkeypatch.setattr(SimulatedGenerator, "launch", self._launch, raising=False)

    async def _launch(self, *_: Any) -> bool:
        self.events.append("launch")
        return self._goes_on

    def _start(self, name: str) -> Callable[..., Any]:
        async def start(*_: Any) -> None:
            self.events.append(f"{name} begins")
            if self._fails == name:
                await asyncio.sleep(0)
                raise GeneratorError("no")
            try:
                await asyncio.sleep(0.02)
            except asyncio.CancelledError:
                self.events.append(f"{name} is cancelled")
                raise
            self.events.append(f"{name} runs")

        return start

    def _close(self, name: str) -> Callable[..., Any]:
        async def close(*_: Any) -> None:
            self.events.append(f"{name} closed")

        return close


SIMULATED = Config(model_name="simulated", prm_name="simulated")


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """A PRM with weights of its own."""
    monkeypatch.setattr(SimulatedPRM, "weights", lambda config: (Weights(config.prm_name),))
    monkeypatch.setattr("tt_scale.models.require_memory", lambda models: None)


async def test_the_prm_loads_while_the_generator_does(monkeypatch: pytest.MonkeyPatch, apart: None) -> None:
    """Two engines of 2 million parameters took 100 s to start one after the other, most of it imports."""
    seen = Recorder(monkeypatch, goes_on=True)
    async with open_models(SIMULATED):
        assert seen.events[:3] == ["launch", "generator begins", "prm begins"]
        assert set(seen.events[3:]) == {"generator runs", "prm runs"}


async def test_a_gpu_is_measured_by_one_at_a_time(monkeypatch: pytest.MonkeyPatch, apart: None) -> None:
    """Two engines that start at once on a GPU each count the other's memory."""
    seen = Recorder(monkeypatch, goes_on=False)
    async with open_models(SIMULATED):
        assert seen.events == ["launch", "generator begins", "generator runs", "prm begins", "prm runs"]


async def test_a_prm_that_shares_the_generator_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes its size from the generator, which knows it once it runs."""
    seen = Recorder(monkeypatch, goes_on=True)
    async with open_models(SIMULATED):
        assert seen.events == ["generator begins", "generator runs", "prm begins", "prm runs"]


@pytest.mark.parametrize(("failing", "other"), [("generator", "prm"), ("prm", "generator")])
async def test_one_that_fails_ends_the_other(
    failing: str, other: str, monkeypatch: pytest.MonkeyPatch, apart: None
) -> None:
    """The half-started engine would hold its memory, and the message would come late."""
    seen = Recorder(monkeypatch, goes_on=True, fails=failing)
    with pytest.raises(GeneratorError, match="no"):
        async with open_models(SIMULATED):
            pass
    assert f"{other} is cancelled" in seen.events
    assert seen.events[-2:] == ["prm closed", "generator closed"]


def _core(word: str, seconds: float, code: int) -> None:
    """What an engine's process does: print, leave a file, and live or die."""
    print(f"ValueError: {word}", flush=True)
    Path(tempfile.gettempdir(), "left").touch()
    time.sleep(seconds)
    if code < 0:
        os.kill(os.getpid(), -code)
    sys.exit(code)


def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, word: str, seconds: float = 0.2, code: int = 0) -> Engine:
    """An engine whose build starts a process of the right name and waits for its end."""
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").touch()
    monkeypatch.setattr(engine, "_silence", lambda: None)
    found = Engine(str(tmp_path), lambda: None)

    def build() -> Any:
        process = multiprocessing.get_context("spawn").Process(
            target=_core, args=(word, seconds, code), name=f"EngineCore_{word}"
        )
        process.start()
        process.join()
        if process.exitcode:
            reason = found._log.reason() if code > 0 else ""
            raise GeneratorError(reason or found._processes.ended())
        return Idle(found._log.reason())

    monkeypatch.setattr(found, "_build", build)
    return found


class Idle:
    """Stands for vLLM's AsyncLLM."""

    engine_core = None

    def __init__(self, said: str) -> None:
        self.said = said

    def shutdown(self) -> None:
        """Nothing runs."""


async def test_each_engine_has_its_own_log_and_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Started at once, one engine's output went into the other's log, and the reason of a failure with it."""
    monkeypatch.delenv("VLLM_LOGGING_LEVEL", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = dict(os.environ)
    both = [made(monkeypatch, tmp_path, word) for word in ("one", "two")]
    await asyncio.gather(*[each.launch() for each in both])
    assert dict(os.environ) == before
    print("mine")
    os.write(2, b"as well\n")
    await asyncio.gather(*[each.start() for each in both])
    assert [each.llm.said for each in both] == ["one", "two"]
    folders = [each._scratch.folder for each in both]
    assert all(folder is not None and (folder / "left").exists() for folder in folders)
    for each in both:
        await each.close()
        await each.close()
    assert not any(folder.exists() for folder in folders if folder is not None)
    assert capfd.readouterr() == ("mine\n", "as well\n")


async def test_a_start_that_is_cancelled_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither process nor folder, and the next engine gets its turn."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    first = made(monkeypatch, tmp_path, "one", seconds=60)
    task = asyncio.ensure_future(first.start())
    while not first._processes._known:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    [process] = first._processes._known
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not process.is_alive()
    assert not first._scratch.folder
    second = made(monkeypatch, tmp_path, "two", seconds=0)
    await second.start()
    await second.close()


async def test_a_launch_that_nobody_waits_for_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The PRM failed before anybody waited for the generator."""
    first = made(monkeypatch, tmp_path, "one", seconds=60)
    await first.launch()
    [process] = first._processes._known
    await first.close()
    assert not process.is_alive()


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (-signal.SIGKILL, "because memory ran out"),
        (-signal.SIGBUS, "/dev/shm"),
        (-signal.SIGILL, "processor"),
        (1, "^two$"),
    ],
)
async def test_a_process_that_dies_is_explained(
    code: int, told: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """vLLM says "See root cause above" where there is none: the system killed the process."""
    dying = made(monkeypatch, tmp_path, "two", seconds=0.3, code=code)
    with pytest.raises(GeneratorError, match=told):
        await dying.start()
    assert not dying._scratch.folder


KILLED = """
import os, signal, sys, tempfile
from pathlib import Path
from tt_scale.engines.scratch import Scratch
from tt_scale.engines.vllm.processes import EngineProcesses
scratch, processes = Scratch(), EngineProcesses()
processes.prepare(scratch.make())
(scratch.folder / "left").touch()
print(scratch.folder, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_leaves_no_folder(tmp_path: Path) -> None:
    """The guard outlives it, and removes what nobody else can."""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", KILLED], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    folder = Path(done.stdout.strip())
    assert folder.name.startswith("tt_scale-")
    deadline = time.monotonic() + 30
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not folder.exists()
