"""The live panel: what it says of every run, in terminals of every width, and that it is gone in the end."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from commands import BENCH
from rich.console import Console
from terminals import in_terminal

from tt_scale.bench.record import Row
from tt_scale.bench.run.events import Event, RunCounter, RunProgress, RunsPlanned, Warned
from tt_scale.bench.stats.intervals import mean_interval
from tt_scale.core.budget import Usage
from tt_scale.report.console_reporter import ConsoleReporter
from tt_scale.report.forecast import Forecast
from tt_scale.report.live_panel import LivePanel
from tt_scale.report.run_counts import RunCountsByLabel

USAGE = Usage(generated_tokens=50, prompt_tokens=100, cached_prompt_tokens=25)


def row(number: int, right: bool = True, repeat: int = 0) -> Row:
    grade = "correct" if right else "wrong"
    return Row(number, f"p-{number}", repeat, None, grade, "1", "1", USAGE, {}, {}, "enough", "")


class Clock:
    """The time, as a test sets it."""

    now = 1000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    found = Clock()
    monkeypatch.setattr("time.monotonic", lambda: found.now)
    yield found
    monkeypatch.undo()


def planned(*totals: int, before: int = 0, names: tuple[str, ...] = ()) -> RunsPlanned:
    """Runs of which the first has done some searches already, every other of them right."""
    names = names or tuple([f"set method-{number}" for number in range(len(totals))])
    rows = tuple([row(number, number % 2 == 0) for number in range(before)])
    runs = [
        RunProgress(name, total, before if not place else 0, sum([each.correct for each in rows]) if not place else 0)
        for place, (name, total) in enumerate(zip(names, totals, strict=True))
    ]
    pieces = [run.total - run.done for run in runs if run.total > run.done]
    return RunsPlanned(tuple(pieces), 4, tuple(runs), (rows, *[()] * (len(runs) - 1)))


def drawn(counts: RunCountsByLabel, forecast: Forecast | None, width: int, height: int = 24) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    console.print(LivePanel(counts, lambda: forecast, lambda: "narrow"))
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


def under_way(event: RunsPlanned, clock: Clock) -> tuple[RunCountsByLabel, Forecast]:
    """Ten seconds after the first run went on; one search ended in them and two others are in flight."""
    counts, forecast = RunCountsByLabel(), Forecast(event.pieces)
    counts(event)
    forecast.begin()
    counter = RunCounter(counts, event.runs[0])
    counter.__enter__()
    for number in (20, 21, 22):
        counter.begin(f"p-{number}", 0)
    clock.now += 10
    counter.one_more(row(20))
    forecast.more()
    return counts, forecast


def test_the_panel_says_what_is_known_of_each_run(clock: Clock) -> None:
    counts, forecast = under_way(planned(8, 5, before=3), clock)
    low, high = mean_interval([1, 0, 1, 1])
    lines = drawn(counts, forecast, 80)
    assert lines[1].split() == ["set", "Done", "Accuracy", "95", "%", "Tokens/s", "Cache", "Now", "Left"]
    interval = f"{100 * low:.1f}-{100 * high:.1f}"
    assert lines[2].split() == ["method-0", "4/8", "75.0%", interval, "5", "25%", "2", "0:40"]
    assert lines[3].split() == ["method-1", "0/5", "-", "-", "-", "-"]
    assert lines[4].split() == ["━━━━━━━━━━━━━━━━", "4/13", "0:10", "so", "far,", "1:30", "left"]


def test_repeats_of_a_problem_are_no_new_problems() -> None:
    """The interval is that of the table: over problems."""
    counts = RunCountsByLabel()
    counts(planned(4))
    with RunCounter(counts, RunProgress("set method-0", 4, correct=0)) as counter:
        for number, right, repeat in ((0, True, 0), (0, True, 1), (1, False, 0), (1, True, 1)):
            counter.one_more(row(number, right, repeat))
    assert counts["set method-0"].interval == mean_interval([1.0, 0.5])


def test_interleaved_runs_advance_each_for_itself(clock: Clock) -> None:
    counts = RunCountsByLabel()
    counts(replace(planned(4, 4), pieces=(8,)))
    with RunCounter(counts, RunProgress("set 2 runs", 8, correct=0)) as counter:
        counter.begin("p-0", 0, "set method-1")
        counter.begin("p-1", 0, "set method-1")
        clock.now += 2
        counter.one_more(row(0), "set method-1")
        assert [(each.done, each.in_flight) for each in counts] == [(0, 0), (1, 1)]
        assert [each.seconds for each in counts] == [2, 2]
        assert "1/8  0:02 so far" in drawn(counts, None, 80)[-1]
    assert not counts.current


@pytest.mark.parametrize("width", [70, 80, 100, 200])
@pytest.mark.parametrize(
    "name", ["a", "pocket-math:count=120 independent-budget=64", "s " + "x" * 90, "s 数学数学数学"]
)
def test_nothing_is_wider_than_the_terminal_and_nothing_jumps(width: int, name: str, clock: Clock) -> None:
    """While numbers change, every column stays where it is."""
    counts, forecast = under_way(planned(2000, 2000, names=(name, "set b")), clock)
    first = drawn(counts, forecast, width)
    with RunCounter(counts, RunProgress(name, 2000, 1, 1)) as counter:
        for number in range(999):
            counter.one_more(row(number, number % 3 == 0))
        then = drawn(counts, forecast, width)
    assert len(first) == len(then) == 5
    assert max([Console().measure(line).maximum for line in [*first, *then]]) <= width
    assert first[1] == then[1]
    assert "1000/2000" in then[2]
    assert first[2].index("1/2000") + len("1/2000") == then[2].index("1000/2000") + len("1000/2000")


def test_a_narrow_terminal_gets_one_line() -> None:
    counts = RunCountsByLabel()
    counts(planned(3))
    assert drawn(counts, None, 69) == ["narrow"]


@pytest.mark.parametrize("place", [0, 17, 39])
def test_a_sweep_of_forty_recipes_fits_the_height(place: int) -> None:
    """The run that is under way is always there, and what is left out is counted."""
    counts = RunCountsByLabel()
    counts(planned(*[3] * 40))
    with RunCounter(counts, RunProgress(f"set method-{place}", 3, correct=0)):
        lines = drawn(counts, None, 80, height=24)
    assert len(lines) <= 22
    assert any(line.startswith(f"method-{place} ") for line in lines)
    rest = sum([int(count) for count in re.findall(r"(\d+) (?:above|below)", "\n".join(lines))])
    shown = sum([line.startswith("method-") for line in lines])
    assert shown + rest == 40


def test_closing_lines_and_warnings_outlive_the_panel() -> None:
    """What a panel takes away with it cannot be read later."""
    console = Console(file=io.StringIO(), width=100, force_terminal=True, color_system=None)
    with ConsoleReporter(console) as report:
        report(planned(2, 2))
        for label in ("set method-0", "set method-1"):
            with RunCounter(report, RunProgress(label, 2, correct=0)) as counter:
                counter.one_more(row(0))
                report(Warned(f"something of {label}"))
                counter.one_more(row(1, right=False))
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", console.file.getvalue())  # type: ignore[attr-defined]
    assert text.count("warning: something of set method-0") == 1
    closing = [line for line in text.splitlines() if re.fullmatch(r"set method-\d  2/2  accuracy 50.0%  .* s", line)]
    assert [line.split()[1] for line in closing] == ["method-0", "method-1"]


@pytest.mark.parametrize("ended", ["within a run", "between two runs"])
def test_an_error_leaves_no_panel_behind(ended: str) -> None:
    """A terminal whose cursor stays hidden is a broken terminal."""
    console = Console(file=io.StringIO(), width=100, force_terminal=True, color_system=None)

    def failing() -> None:
        with ConsoleReporter(console) as report:
            report(planned(2, 2))
            with RunCounter(report, RunProgress("set method-0", 2, correct=0)) as counter:
                counter.one_more(row(0))
                if ended == "within a run":
                    raise ValueError("no")
                counter.one_more(row(1))
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        failing()
    told = console.file.getvalue()  # type: ignore[attr-defined]
    assert told.count("\x1b[?25l") == told.count("\x1b[?25h") == 1
    assert re.search(r"set method-0  [12]/2  accuracy 100.0%", told[told.index("\x1b[?25h") :])


def test_quiet_prints_warnings_alone() -> None:
    for terminal in (True, False):
        console = Console(file=io.StringIO(), width=100, force_terminal=terminal, color_system=None)
        events: list[Event] = [planned(1)]
        with ConsoleReporter(console, quiet=True, quiet_seconds=0.0) as report:
            report(events[0])
            with RunCounter(report, RunProgress("set method-0", 1, correct=0)) as counter:
                counter.one_more(row(0))
            report(Warned("careful"))
        assert console.file.getvalue() == "warning: careful\n"  # type: ignore[attr-defined]


TWO = ("--method", "best_of_n", "--method", "collective", "--temperature", "0.7", "--temp-origin", "0.7")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("columns", [80, 200])
def test_a_terminal_sees_a_panel_that_counts_and_goes(tmp_path: Path, columns: int) -> None:
    told = in_terminal(tmp_path, columns, *BENCH, *TWO, "--num-samples", "150")
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", told)
    assert re.search(r"simulated +Done +Accuracy +95 % +Tokens/s +Cache +Now +Left", text)
    assert re.search(r"best_of_n +\d+/150 .*\n\r?collective +0/150 ", text)
    counts = {int(done) for done in re.findall(r"collective +(\d+)/150", text)}
    assert len(counts) > 2
    assert told.count("\x1b[?25l") == told.count("\x1b[?25h")
    closing = re.findall(r"simulated (\w+)  150/150  accuracy [^\r\n]* s\r?\n", text)
    assert closing == ["best_of_n", "collective"]
    assert text.rindex("so far") < text.index("Overall")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_quiet_in_a_terminal_is_the_result_alone(tmp_path: Path) -> None:
    told = in_terminal(tmp_path, 80, *BENCH, "--num-samples", "20", "--quiet")
    assert "\x1b[?25l" not in told
    assert "20/20" not in told
    assert "Overall" in told


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_ctrl_c_leaves_a_terminal_as_it_was(tmp_path: Path) -> None:
    """The cursor is back, the panel gone, and the last words are how to go on."""
    arguments = (*BENCH, *TWO, "--num-samples", "1000", "--repeats", "20")
    told = in_terminal(tmp_path, 100, *arguments, interrupt=b" left", status=130)
    assert told.count("\x1b[?25l") == told.count("\x1b[?25h") == 1
    rest = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", told[told.index("\x1b[?25h") :]).split("\n")
    lines = [line.strip() for line in rest if line.strip()]
    assert re.match(r"simulated best_of_n  \d+/20000  accuracy ", lines[0])
    assert lines[1:] == ["tt-scale: interrupted. Finished work is kept; the same command resumes from there."]
