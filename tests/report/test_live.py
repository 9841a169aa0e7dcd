"""The live progress, as a terminal and as a log file see it."""

from __future__ import annotations

import io
import os
import re
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from commands import BENCH
from rich.console import Console

from tt_scale.bench.record import Row
from tt_scale.budget import Usage
from tt_scale.report.progress import Progress

ROW = Row(0, "p", 0, None, "correct", "1", "1", Usage(generated_tokens=50, prompt_tokens=100, cached_prompt_tokens=25),
          {"backtracks": 2}, {}, "enough", "")  # fmt: skip


def progress(console: Console, **options: object) -> Progress:
    return Progress(console, "set method", 4, quiet_seconds=0.0, **options)  # type: ignore[arg-type]


def test_a_log_file_gets_plain_lines() -> None:
    """Control characters of a live bar make a log file unreadable."""
    console = Console(file=io.StringIO(), width=200)
    with progress(console) as report:
        for _ in range(4):
            report(ROW)
            time.sleep(0.001)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert len(lines) == 4
    assert lines[0].startswith("set method  1/4  accuracy 100.0%")
    assert "cache 25%" in lines[0]
    assert lines[0].endswith(" s left")
    assert lines[-1].startswith("set method  4/4")
    assert "\x1b" not in "".join(lines)


def test_time_left_counts_only_what_this_leg_did(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a resume the problems of the first leg made the estimate far too small."""
    clock = iter([0.0, 0.0, *[10.0] * 20])
    monkeypatch.setattr("tt_scale.report.progress.time.monotonic", lambda: next(clock))
    console = Console(file=io.StringIO(), width=200)
    report = progress(console, done=2, correct=1)
    report(ROW)
    line = console.file.getvalue().splitlines()[0]  # type: ignore[attr-defined]
    assert line.startswith("set method  3/4  accuracy 66.7%")
    assert line.endswith("10 s left")  # one problem took 10 s, one is left


def test_a_failed_problem_shows_its_error_where_every_problem_is_shown() -> None:
    """Brackets in a message are not markup."""
    console = Console(file=io.StringIO(), width=200)
    report = progress(console, verbose=True)
    report(replace(ROW, error="ValueError: [red]no[/red]", grade="no_answer", answer=None))
    assert "p  ValueError: [red]no[/red]  50 tokens  2 backtracks" in console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_terminal_sees_a_bar_that_moves_and_then_the_tables(tmp_path: Path) -> None:
    """The bar must show up, count, and be gone in the end, leaving one closing line."""
    import pty

    child, terminal = pty.fork()
    if child == 0:  # pragma: no cover - another process
        os.chdir(tmp_path)
        os.environ.update(COLUMNS="100", LINES="40", TERM="xterm-256color")
        os.execv(sys.executable, [sys.executable, "-m", "tt_scale", *BENCH, "--num-samples", "300"])
    seen = b""
    while True:
        try:
            chunk = os.read(terminal, 65536)
        except OSError:  # Linux says so when the other side is closed
            break
        if not chunk:
            break
        seen += chunk
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode())
    counts = [int(done) for done in re.findall(r"(\d+)/300", text)]
    assert "━" in text
    assert len(set(counts)) > 2
    closing = [line for line in text.splitlines() if re.match(r"simulated collective  300/300  accuracy .* s$", line)]
    assert len(closing) == 1
    assert text.index(closing[0]) < text.index("Overall") < text.index("Records:")
    assert all(len(line) <= 100 for line in text[text.index("Overall") :].splitlines() if "Records" not in line)
