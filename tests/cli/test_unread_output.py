"""Output that nobody reads: a pipe without a reader, a full disk, a closed descriptor, a terminal that vanished."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from commands import SIMULATED, heed_signals, records
from outside import install

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs pseudo-terminals and /dev/full")

SET = ("--dataset", "simulated")
RUNS = {
    "bench": ("bench", *SIMULATED, *SET, "--num-samples", "3", "--lookahead", "2", "--run-tag", "t", "--verbose"),
    "compare": ("compare", *SIMULATED, *SET, "--num-samples", "3", "--method", "greedy", "--run-tag", "t"),
    "sweep": ("sweep", *SIMULATED, *SET, "--num-samples", "9", "--random", "1", "--run-tag", "t"),
    "prm-eval": ("prm-eval", "simulated", "--model-name", "simulated", *SET, "--num-samples", "2", "--run-tag", "t"),
}
PRINTED = {
    "solve": ("solve", *SIMULATED, "--lookahead", "2", "Simulated problem 7: level 3, 5 steps."),
    "list": ("list",),
    "show": (),
    "doctor": ("doctor", *SIMULATED),
}
SLOW = (
    *("bench", "--model-name", "slow", "--generator", "slow", "--prm-name", "simulated", *SET, "--verbose"),
    *("--num-samples", "12", "--concurrency", "2", "--run-tag", "t"),
)


def run(
    *arguments: str, cwd: Path, stdout: Any = None, stderr: Any = None, before: Callable[[], None] = heed_signals
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tt_scale", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        cwd=cwd,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        preexec_fn=before,
    )


@contextmanager
def unread_pipe() -> Iterator[int]:
    """The writing end of a pipe that has no reader."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


def without_descriptors() -> None:
    heed_signals()
    os.closerange(0, 3)


def complaints(errors: bytes) -> list[str]:
    """Lines of standard error but warnings, and notes about models that load slowly on a busy machine."""
    return [line for line in errors.decode().splitlines() if not line.startswith(("warning:", "Load"))]


def files_below(folder: Path) -> dict[str, int]:
    """Every file with its number of lines; locks left out."""
    return {
        str(path.relative_to(folder)): path.read_bytes().count(b"\n")
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".lock"
    }


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Where a command of `RUNS` left its files when its output was read."""

    @cache
    def folder_of(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        process = run(*RUNS[name], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, _ = process.communicate(timeout=300)
        assert (process.returncode, bool(out)) == (0, True)
        return folder

    return folder_of


@pytest.mark.parametrize("name", RUNS)
def test_a_run_without_readers_goes_on(name: str, unbroken: Callable[[str], Path], tmp_path: Path) -> None:
    """It ends as it would have, with all of its files."""
    with unread_pipe() as pipe:
        process = run(*RUNS[name], cwd=tmp_path, stdout=pipe, stderr=pipe)
    assert process.wait(300) == 0
    assert files_below(tmp_path) == files_below(unbroken(name))


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name != "bench")) for name in RUNS])
def test_a_run_whose_output_finds_no_room_goes_on(name: str, unbroken: Callable[[str], Path], tmp_path: Path) -> None:
    """`> /dev/full` was a traceback; now it is one line, and the records are whole."""
    with Path("/dev/full").open("wb") as full:
        process = run(*RUNS[name], cwd=tmp_path, stdout=full, stderr=subprocess.PIPE)
        _, told = process.communicate(timeout=300)
        assert process.returncode == 0
        assert complaints(told) == [
            "tt-scale: output can no longer be written: No space left on device. The work goes on, "
            "and its files will be complete."
        ]
        assert files_below(tmp_path) == files_below(unbroken(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("sink", ["full", "closed", "standard error"])
def test_other_outputs_that_are_lost(name: str, sink: str, unbroken: Callable[[str], Path], tmp_path: Path) -> None:
    """A descriptor that is closed is the next file's: what a library printed went into the journal."""
    with Path("/dev/full").open("wb") as full:
        both = (full, full) if sink == "full" else (subprocess.DEVNULL, full)
        closed = sink == "closed"
        process = run(
            *RUNS[name],
            cwd=tmp_path,
            stdout=None if closed else both[0],
            stderr=None if closed else both[1],
            before=without_descriptors if closed else heed_signals,
        )
        assert process.wait(300) == 0
    assert files_below(tmp_path) == files_below(unbroken(name))


def printing(name: str, unbroken: Callable[[str], Path]) -> list[str]:
    """A command of `PRINTED`, with the folder of a run in it."""
    if name != "show":
        return [*PRINTED[name]]
    (manifest,) = unbroken("bench").rglob("manifest.json")
    return ["show", str(manifest.parent)]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name == "doctor")) for name in PRINTED]
)
def test_what_is_only_printed_is_reported_as_lost(name: str, unbroken: Callable[[str], Path], tmp_path: Path) -> None:
    """A table that ends in its middle on a full disk looked like success."""
    with Path("/dev/full").open("wb") as full:
        process = run(*printing(name, unbroken), cwd=tmp_path, stdout=full, stderr=subprocess.PIPE)
        _, told = process.communicate(timeout=300)
    assert process.returncode == 1
    assert complaints(told) == ["tt-scale: output can no longer be written: No space left on device."]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name == "doctor")) for name in PRINTED]
)
def test_a_reader_that_had_enough_is_no_error(name: str, unbroken: Callable[[str], Path], tmp_path: Path) -> None:
    """`| head -1`, with standard error watched for complaints."""
    with unread_pipe() as pipe:
        process = run(*printing(name, unbroken), cwd=tmp_path, stdout=pipe, stderr=subprocess.PIPE)
        _, told = process.communicate(timeout=300)
    assert process.returncode == 0
    assert complaints(told) == []


def test_messages_that_nobody_reads_keep_their_status(tmp_path: Path) -> None:
    """A refusal whose message cannot be printed is still a refusal."""
    with unread_pipe() as pipe:
        for arguments in (("bench", "--method", "nothing"), ("nothing",), ("bench", "--num-samples", "x"), ()):
            assert run(*arguments, cwd=tmp_path, stdout=pipe, stderr=pipe).wait(60) == 2


def slow_run(folder: Path, site: Path, monkeypatch: pytest.MonkeyPatch, seconds: str, **how: Any) -> Any:
    path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH", "")]))
    with monkeypatch.context() as patched:
        patched.setenv("PYTHONPATH", path)
        patched.setenv("OUTSIDE_SECONDS", seconds)
        return run(*SLOW, cwd=folder, **how)


def wait_for_a_record(folder: Path) -> None:
    end = time.monotonic() + 120
    while not any(path.stat().st_size for path in folder.rglob("problems.jsonl")):
        assert time.monotonic() < end, "the run never got going"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, site: Path) -> Any:
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patched:
        process = slow_run(folder, site, patched, "0", stdout=subprocess.DEVNULL)
    assert process.wait(120) == 0
    return records(folder)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_reader_that_ends_in_mid_run(
    stream: str, site: Path, whole: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`| head -1` reads a line and goes."""
    reader, writer = os.pipe()
    other = {"stdout": "stderr", "stderr": "stdout"}[stream]
    process = slow_run(
        tmp_path, site, monkeypatch, "0.05", **{stream: writer, other: subprocess.PIPE if other == "stderr" else None}
    )
    os.close(writer)
    wait_for_a_record(tmp_path)
    os.close(reader)
    _, told = process.communicate(timeout=120)
    assert process.returncode == 0
    assert complaints(told or b"") == []
    assert records(tmp_path) == whole


def test_a_terminal_that_vanishes_in_mid_run(
    site: Path, whole: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel sends SIGHUP, and every write fails from then on; the run ends as if nothing had been."""
    import fcntl
    import termios

    ours, theirs = os.openpty()

    def on_a_terminal() -> None:
        heed_signals()
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    process = slow_run(tmp_path, site, monkeypatch, "0.05", stdout=theirs, stderr=theirs, before=on_a_terminal)
    os.close(theirs)
    wait_for_a_record(tmp_path)
    assert os.read(ours, 10)
    os.close(ours)
    assert process.wait(120) == 0
    assert records(tmp_path) == whole


def test_a_hangup_ends_what_only_prints(site: Path, tmp_path: Path) -> None:
    """Nothing of an answer is kept, so searching on for nobody would only hold the machine."""
    environment = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH", "")]))
    process = subprocess.Popen(
        [sys.executable, "-m", "tt_scale", "solve", "--model-name", "slow", "--generator", "slow", "--prm-name",
         "simulated", "Simulated problem 7: level 3, 5 steps."],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path, preexec_fn=heed_signals,
        env={**os.environ, "PYTHONPATH": environment, "OUTSIDE_SECONDS": "0.5"},
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGHUP)
    _, told = process.communicate(timeout=60)
    assert (process.returncode, complaints(told)) == (143, ["tt-scale: terminated."])
