"""The live progress, as a terminal and as a log file see it."""

from __future__ import annotations

import io
import re
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from commands import BENCH
from rich.console import Console
from terminals import in_terminal

from tt_scale.bench.record import Row
from tt_scale.bench.run.events import RunCounter, RunProgress, RunsPlanned
from tt_scale.core.budget import Usage
from tt_scale.report.console_reporter import ConsoleReporter
from tt_scale.report.forecast import Forecast
from tt_scale.report.progress import Progress
from tt_scale.report.status_line import Part, StatusLine

ROW = Row(0, "p", 0, None, "correct", "1", "1", Usage(generated_tokens=50, prompt_tokens=100, cached_prompt_tokens=25),
          {"backtracks": 2}, {}, "enough", "")  # fmt: skip


class Clock:
    """The time, as a test sets it."""

    now = 1000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr("tt_scale.report.forecast.time.monotonic", lambda: found.now)
    return found


def counting(
    console: Console, *, done: int = 0, correct: int = 0, label: str = "set method", total: int = 4, **options: Any
) -> RunCounter:
    """A run that is reported to a console."""
    reporter = ConsoleReporter(console, **{"quiet_seconds": 0.0, **options})
    return RunCounter(reporter, RunProgress(label, total, done, correct))


def test_a_log_file_gets_plain_lines() -> None:
    """Control characters of a live bar make a log file unreadable."""
    console = Console(file=io.StringIO(), width=200)
    with counting(console) as counter:
        for _ in range(4):
            counter.one_more(ROW)
            time.sleep(0.001)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert len(lines) == 4
    assert lines[0].startswith("set method  1/4  accuracy 100.0%")
    assert "cache 25%" in lines[0]
    assert lines[0].endswith(" s left")
    assert lines[-1].startswith("set method  4/4")
    assert "\x1b" not in "".join(lines)


def test_time_left_counts_only_what_this_leg_did(clock: Clock) -> None:
    """After a resume the problems of the first leg made the estimate far too small."""
    console = Console(file=io.StringIO(), width=200)
    with counting(console, done=2, correct=1) as counter:
        clock.now += 10
        counter.one_more(ROW)
    line = console.file.getvalue().splitlines()[0]  # type: ignore[attr-defined]
    assert line.startswith("set method  3/4  accuracy 66.7%")
    assert line.endswith("10 s left")  # one problem took 10 s, one is left


def test_the_clock_starts_with_the_first_search(clock: Clock) -> None:
    """Where the line was made before the models were loaded, their loading counted in every rate."""
    console = Console(file=io.StringIO(), width=200)
    counter = counting(console)
    clock.now += 100
    with counter:
        clock.now += 10
        counter.one_more(ROW)
    assert "  5 tokens/s  cache 25%  30 s left" in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_log_tells_of_all_runs(clock: Clock) -> None:
    """Who reads a log of four methods wants to know when the last one ends."""
    console = Console(file=io.StringIO(), width=40)
    reporter = ConsoleReporter(console)
    reporter(RunsPlanned((4, 4), 1))
    for label, seconds in (("set a", 100), ("set b", 200)):
        with RunCounter(reporter, RunProgress(label, 4, correct=0)) as counter:
            for _ in range(4):
                clock.now += seconds
                counter.one_more(ROW)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert lines[0] == "set a  1/4  accuracy 100.0%  0 tokens/s  cache 25%  5 min 00 s left, all runs 11 min 40 s"
    assert lines[3].endswith(" 400.0 s")
    assert lines[4].endswith("  cache 25%  10 min 00 s left")
    assert len(lines) == 8


def test_lines_of_a_log_are_not_too_many(clock: Clock) -> None:
    """A log of ten thousand problems needs no ten thousand lines; the first estimate comes early."""
    console = Console(file=io.StringIO(), width=40)
    with counting(console, label="set", total=100, quiet_seconds=15.0) as counter:
        for _ in range(100):
            clock.now += 1
            counter.one_more(ROW)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert [line.split()[1] for line in lines] == [
        "5/100",
        "20/100",
        "35/100",
        "50/100",
        "65/100",
        "80/100",
        "95/100",
        "100/100",
    ]


@pytest.mark.parametrize("width", [80, 60, 40, 20])
@pytest.mark.parametrize("label", ["pocket-math:count=200 independent", "set method", "one-word-of-thirty-characters-"])
def test_a_narrow_terminal_loses_no_number(width: int, label: str, clock: Clock) -> None:
    """The bar pushed accuracy and speed out of a terminal of 80 columns."""
    console = Console(file=io.StringIO(), width=width, force_terminal=True)
    run = RunProgress(label, 200, correct=0)
    progress = Progress(console, run, forecast=Forecast([200, 200, 200], 64))
    progress.start()
    clock.now += 61
    row = replace(ROW, usage=replace(ROW.usage, generated_tokens=100_000))
    progress.advance(replace(run, done=1, correct=1), row)
    shown = StatusLine(label, progress._share, progress._parts).fitted(width).plain
    progress.end()
    assert len(shown) <= width
    numbers = ["1/200", "5:14", "17:45", "100.0%", "1,639", "25%", "1:01"]
    there = [number for number in numbers if number in shown]
    assert there == numbers[: len(there)]
    assert len(there) >= {80: 7, 60: 6, 40: 4, 20: 1}[width]
    if width == 80:
        assert shown.startswith(label.split()[-1][:4])


def test_a_wide_terminal_reads_well(clock: Clock) -> None:
    """Nothing is shortened where there is room."""
    console = Console(file=io.StringIO(), width=140, force_terminal=True)
    run = RunProgress("pocket-math:count=200 best_of_n", 200, correct=0)
    progress = Progress(console, run, forecast=Forecast([200, 200]))
    progress.start()
    shown = StatusLine(run.label, progress._share, progress._parts).fitted(140).plain
    assert shown == "pocket-math:count=200 best_of_n  ━━━━━━━━  0/200  -:-- left  accuracy -  0 tokens/s  0:00"
    clock.now += 3600
    progress.advance(replace(run, done=1, correct=1), ROW)
    shown = StatusLine("best_of_n", progress._share, progress._parts).fitted(140).plain
    progress.end()
    assert shown.endswith("1/200  199:00:00 left, all runs 399:00:00  accuracy 100.0%  0 tokens/s  cache 25%  1:00:00")


def test_a_terminal_without_such_characters_gets_a_bar() -> None:
    """An ASCII locale printed question marks."""
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="replace")
    console = Console(file=file, width=100, force_terminal=True)
    console.print(StatusLine("set method", lambda: 0.5, lambda: [Part("1/2")]))
    file.flush()
    assert b"--------" in re.sub(rb"\x1b\[[0-9;]*m", b"", file.buffer.getvalue())  # type: ignore[attr-defined]


def test_a_failed_problem_shows_its_error_where_every_problem_is_shown() -> None:
    """Brackets in a message are not markup."""
    console = Console(file=io.StringIO(), width=200)
    with counting(console, verbose=True) as counter:
        counter.one_more(replace(ROW, error="ValueError: [red]no[/red]", grade="no_answer", answer=None))
    assert "p  ValueError: [red]no[/red]  50 tokens  2 backtracks" in console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_terminal_sees_a_bar_that_moves_and_then_the_tables(tmp_path: Path) -> None:
    """The bar must show up, count, and be gone in the end, leaving one closing line."""
    told = in_terminal(tmp_path, 100, *BENCH, "--num-samples", "300")
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", told)
    counts = [int(done) for done in re.findall(r"(\d+)/300", text)]
    assert "━" in text
    assert len(set(counts)) > 2
    closing = [line for line in text.splitlines() if re.match(r"simulated collective  300/300  accuracy .* s$", line)]
    assert len(closing) == 1
    assert text.index(closing[0]) < text.index("Overall") < text.index("Records:")
    assert all(len(line) <= 100 for line in text[text.index("Overall") :].splitlines() if "Records" not in line)
