"""A full disk, a folder that goes away, a summary without its end: one message, and the same command goes on."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import BENCH, Command, read_journal, records
from filelock import FileLock

from tt_scale.bench.run.journal import Journal
from tt_scale.bench.run.line_file import LineFile, remove_partial_files
from tt_scale.errors import JournalError
from tt_scale.generator.simulated import SimulatedGenerator

GOES_ON = "What is finished is kept. Free some space and type the same command again: it goes on from there."
SMALL = (*BENCH, "--num-samples", "6", "--method", "best_of_n", "--run-tag", "t", "--concurrency", "1")


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    return Command(capsys)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if not mounted or mounted.returncode:
        pytest.skip("no file system can be mounted here")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=False)


def fill(disk: Path, left: int) -> Path:
    """Leave a file system so many bytes, in whole pages."""
    room = os.statvfs(disk)
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(room.f_bavail * room.f_frsize - left))
    return ballast


def assert_one_message(err: str, *words: str) -> None:
    assert err.count("\n") == 1
    assert err.startswith("tt-scale: ")
    assert "Traceback" not in err
    for word in words:
        assert word in err


@pytest.mark.parametrize("left", [4096 * pages for pages in range(1, 9)])
def test_a_disk_that_fills_at_any_write(command: Command, tmp_path: Path, small_disk: Path, left: int) -> None:
    """Manifest, journal, detail log, summary: whichever comes when the disk is full."""
    ballast = fill(small_disk, left)
    logs = ("--output-dir", str(small_disk / "logs"))
    answer = command(*SMALL, *logs)
    if answer.status:
        assert answer.status == 2
        assert_one_message(answer.err, "cannot be written: No space left on device.", GOES_ON)
    for journal in small_disk.rglob("problems.jsonl"):
        for line in journal.read_bytes().splitlines(keepends=True):
            assert json.loads(line)
    for lock in small_disk.rglob(".lock"):
        with FileLock(lock, timeout=0):
            pass
    assert not list(small_disk.rglob("*.partial"))
    ballast.unlink()
    again = command(*SMALL, *logs)
    assert (again.status, again.err) == (0, "")
    assert command(*SMALL).status == 0
    assert records(small_disk) == records(tmp_path / "logs")
    details = [next(folder.rglob("detail.csv")).read_text() for folder in (small_disk, tmp_path / "logs")]
    assert len(details[0].splitlines()) == len(details[1].splitlines()) == 7


class Full:
    """A disk that is full from some write to a file on; a line may be written in part."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, after: int, part: int = 0) -> None:
        self.left = after
        self.part = part
        self.write = os.write
        monkeypatch.setattr(os, "write", self)

    def __call__(self, descriptor: int, data: Any) -> int:
        name = os.readlink(f"/proc/self/fd/{descriptor}")
        if not name.endswith(("problems.jsonl", "summary.csv")):
            return self.write(descriptor, data)
        self.left -= 1
        if self.left >= 0:
            return self.write(descriptor, data)
        if self.left == -1 and self.part:
            return self.write(descriptor, bytes(data)[: self.part])
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("part", [0, 1, 700])
def test_only_whole_lines_stay(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: int) -> None:
    """Half a line, and a second error from the buffer when the file was closed."""
    with monkeypatch.context() as patched:
        Full(patched, after=3, part=part)
        answer = command(*SMALL)
    assert answer.status == 2
    assert_one_message(answer.err, "problems.jsonl' cannot be written: No space left on device.", GOES_ON)
    assert len(read_journal(tmp_path / "logs/t/simulated-best_of_n")) == 3
    assert not (tmp_path / "logs/summary.csv").exists()
    assert "Done before: 3 of 6." in command(*SMALL).out
    assert len((tmp_path / "logs/summary.csv").read_text().splitlines()) == 2


@pytest.mark.parametrize("name", ["manifest.json", "detail.csv"])
def test_a_file_that_cannot_be_replaced(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """What is written whole or not at all leaves nothing behind."""
    replace = os.replace

    def full(source: Any, target: Any) -> None:
        if Path(target).name == name:
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", full)
        answer = command(*SMALL)
    assert answer.status == 2
    assert_one_message(answer.err, f"{name}' cannot be written: No space left on device.", GOES_ON)
    assert not list((tmp_path / "logs").rglob("*.partial"))
    assert command(*SMALL).status == 0


def test_a_full_disk_is_said_once_though_the_engine_died_of_it(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two errors the first says what happened; the second came from writing the detail log on the way out."""
    from tt_scale.errors import EngineDeadError

    async def dead(*_: object) -> None:
        (tmp_path / "logs/t/simulated-best_of_n/detail.csv").mkdir()
        raise EngineDeadError("The engine is gone.")

    monkeypatch.setattr(SimulatedGenerator, "generate", dead)
    answer = command(*SMALL)
    assert answer.status == 3
    assert_one_message(answer.err, "The engine is gone.")


def test_partial_files_are_cleaned_up(tmp_path: Path) -> None:
    """A writer that was killed leaves one; it is no run's."""
    for name in (".manifest.json.partial", "problems.partial", ".detail.csv.partial"):
        (tmp_path / name).write_text("half")
    (tmp_path / "partial.txt").write_text("whole")
    remove_partial_files(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["partial.txt"]


LOST = {
    "deleted": lambda folder: shutil.rmtree(folder),
    "moved": lambda folder: folder.rename(folder.with_name("elsewhere")),
    "replaced": lambda folder: (
        folder.rename(folder.with_name("elsewhere")),
        shutil.copytree(folder.with_name("elsewhere"), folder),
    ),
    "journal deleted": lambda folder: (folder / "problems.jsonl").unlink(),
    "journal cut": lambda folder: os.truncate(folder / "problems.jsonl", 0),
    "journal grown": lambda folder: os.truncate(folder / "problems.jsonl", 1 << 20),
}


@pytest.mark.parametrize("when", ["in the middle", "after the last record"])
@pytest.mark.parametrize("how", LOST)
def test_a_folder_that_goes_away_stops_the_run(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, when: str
) -> None:
    """It went on into a file that had no name any more, printed its tables and said that all was done."""
    folder = tmp_path / "logs/t/simulated-best_of_n"
    append, written = Journal.append_line, []

    def losing(journal: Journal, line: bytes, entry: Any) -> Any:
        row = append(journal, line, entry)
        written.append(row)
        if len(written) == (3 if when == "in the middle" else 6):
            LOST[how](folder)
        return row

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "append_line", losing)
        answer = command(*SMALL)
    assert answer.status == 2
    assert_one_message(answer.err, "while the run was writing to it.", "the same command again")
    assert "Overall" not in answer.out
    assert len(written) == (3 if when == "in the middle" else 6)
    assert not (tmp_path / "logs/summary.csv").exists()
    shutil.rmtree(folder, ignore_errors=True)
    assert command(*SMALL).status == 0


def test_lines_are_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when something else than the disk ends the write."""
    path = tmp_path / "lines"
    file = LineFile(path)
    file.append(b"one\n")
    write = os.write

    def interrupted(descriptor: int, data: Any) -> int:
        write(descriptor, bytes(data)[:2])
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        file.append(b"two\n")
    monkeypatch.undo()
    file.append(b"three\n")
    file.close()
    file.close()
    assert path.read_bytes() == b"one\nthree\n"


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_summary_without_its_end_gets_one(command: Command, tmp_path: Path, end: str) -> None:
    """An editor that leaves the last newline out joined two rows into one."""
    assert command(*SMALL).status == 0
    summary = tmp_path / "logs" / "summary.csv"
    summary.write_bytes(summary.read_bytes().rstrip(b"\r\n") + end.encode())
    assert command(*SMALL, "--seed", "5", "--run-tag", "u").status == 0
    lines = summary.read_bytes().decode().splitlines()
    assert len(lines) == 3
    assert [line.split(",")[1] for line in lines] == ["tag", "t", "u"]


def test_a_summary_on_a_full_disk_keeps_whole_rows(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a row is a row with other columns."""
    assert command(*SMALL).status == 0
    summary = tmp_path / "logs" / "summary.csv"
    before = summary.read_bytes()
    with monkeypatch.context() as patched:
        Full(patched, after=6, part=20)
        answer = command(*SMALL, "--run-tag", "u")
    assert answer.status == 2
    assert_one_message(answer.err, "The summary", "No space left on device.", GOES_ON)
    assert summary.read_bytes() == before


def test_the_lock_is_free_whatever_happened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that could not begin kept its folder locked until the process ended."""
    monkeypatch.setattr(Journal, "_read_back", lambda journal: asyncio.run(asyncio.sleep(0)) or 1 / 0)
    with pytest.raises(ZeroDivisionError), Journal(tmp_path, {"experiment": {}}):
        pass
    with FileLock(tmp_path / ".lock", timeout=0):
        pass
    with pytest.raises(JournalError), FileLock(tmp_path / ".lock"), Journal(tmp_path, {"experiment": {}}):
        pass
