"""The command line as the tests type it, in this process and in one of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tt_scale.bench.format.lines import read_line
from tt_scale.bench.record import CALL_SECONDS, Row, unpack
from tt_scale.cli.main import main

SIMULATED = ("--model-name", "simulated", "--prm-name", "simulated")
BENCH = ("bench", *SIMULATED, "--dataset", "simulated")


@dataclass(frozen=True)
class Answer:
    """What a command left: exit status, standard output, standard error."""

    status: int
    out: str
    err: str


class Command:
    """Types commands into this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Answer:
        self._capsys.readouterr()
        hangup = signal.getsignal(signal.SIGHUP)
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        signal.signal(signal.SIGHUP, hangup)
        told = self._capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Answer(ended.value.code, told.out, told.err)


def start(*arguments: str, folder: Path, site: Path | None = None, **variables: str) -> subprocess.Popen[bytes]:
    """Start a command in a process group of its own; its output goes to files, so that no orphan can hold a pipe."""
    environment = {**os.environ, **variables, "HF_HUB_OFFLINE": "1"}
    if site is not None:
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH", "")]))
    with (folder / "out.txt").open("wb") as out, (folder / "err.txt").open("wb") as err:
        return subprocess.Popen(
            [sys.executable, "-m", "tt_scale", *arguments],
            cwd=folder,
            stdout=out,
            stderr=err,
            env=environment,
            start_new_session=True,
            preexec_fn=heed_signals if os.name == "posix" else None,
        )


def heed_signals() -> None:
    """A shell's background jobs ignore Ctrl-C, those of `nohup` a lost terminal; their children inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def finish(process: subprocess.Popen[bytes], folder: Path, seconds: float = 120) -> Answer:
    """Wait for a command that `start` started."""
    status = process.wait(seconds)
    return Answer(status, (folder / "out.txt").read_text(), (folder / "err.txt").read_text())


def read_journal(folder: Path) -> list[dict[str, Any]]:
    """The records of a run in their order, with trees and tapes."""
    lines = (folder / "problems.jsonl").read_bytes().splitlines(keepends=True)
    return [unpack(read_line(line)) for line in lines]


def without_seconds(record: dict[str, Any]) -> dict[str, Any]:
    """The same record; what depends on the clock is removed from it."""
    del record["usage"]["seconds"]
    for name in CALL_SECONDS:
        record.pop(name, None)
    return record


def timeless(row: Row) -> Row:
    """A row without what depends on the clock."""
    return replace(row, usage=replace(row.usage, seconds=0.0), **dict.fromkeys(CALL_SECONDS))


def records(folder: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """The records of the only run below a folder, by problem and repeat, without what depends on the clock."""
    (path,) = folder.rglob("problems.jsonl")
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for record in read_journal(path.parent):
        without_seconds(record)
        key = (record["id"], record["repeat"])
        assert key not in found, f"{key} was written twice"
        found[key] = record
    return found


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file below a folder and what it holds; locks left out."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(".lock")
    }
