"""What a command reports: in which order, with which counts, and to whom."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hand_made import entry

from tt_scale.bench.compare.compare_command import compare
from tt_scale.bench.compare.variants import variants
from tt_scale.bench.run.events import (
    Compared,
    Event,
    LoadingEnded,
    LoadingStarted,
    Resumed,
    RunAdvanced,
    RunCounter,
    RunEnded,
    RunProgress,
    RunsPlanned,
    RunStarted,
    SearchStarted,
    Warned,
    loading,
    to_all,
)
from tt_scale.bench.run.session import bench
from tt_scale.config import Config

METHODS = ("best_of_n", "greedy")


def configs(folder: Path, **changes: Any) -> list[Config]:
    shared = {
        "model_name": "simulated",
        "prm_name": "simulated",
        "datasets": ("simulated",),
        "num_samples": 3,
        "temperature": 0.7,
        "output_dir": str(folder),
        "run_tag": "t",
        **changes,
    }
    return [Config(**shared, method=method) for method in METHODS]


def names(events: list[Event]) -> list[str]:
    return [type(event).__name__ for event in events]


async def test_a_bench_reports_its_runs_one_after_the_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A page that shows a run live has nothing else to go by; the engine itself prints nothing."""
    events: list[Event] = []
    plans = await bench(configs(tmp_path), events.append)
    one = ["RunStarted", *["SearchStarted"] * 3, *["RunAdvanced"] * 3, "RunEnded"]
    assert names(events) == ["RunsPlanned", *one, *one]
    at_once = configs(tmp_path)[0].concurrency
    folders = [str(tmp_path / "t" / f"simulated-{method}") for method in METHODS]
    runs = [
        RunProgress(f"simulated {method}", 3, correct=0, at_once=at_once, folder=folder)
        for method, folder in zip(METHODS, folders, strict=True)
    ]
    assert events[0] == RunsPlanned((3, 3), at_once, tuple(runs), ((), ()))
    began = [event for event in events if isinstance(event, SearchStarted)]
    assert [(event.label, event.id, event.repeat) for event in began[:3]] == [
        ("simulated best_of_n", problem.id, 0) for problem in plans[0].problems
    ]
    advanced = [event for event in events if isinstance(event, RunAdvanced)]
    assert [(event.run.label, event.run.done, event.run.total) for event in advanced] == [
        (f"simulated {method}", done, 3) for method in METHODS for done in (1, 2, 3)
    ]
    assert [event.row for event in advanced] == [each for plan in plans for each in plan.journal.rows]
    ended = [event for event in events if isinstance(event, RunEnded)]
    assert [event.run.correct for event in ended] == [sum([row.correct for row in p.journal.rows]) for p in plans]
    assert capsys.readouterr() == ("", "")


async def test_what_was_done_before_is_reported_and_not_done_again(tmp_path: Path) -> None:
    """A resumed run counts on from where the previous segment ended."""
    await bench(configs(tmp_path))
    events: list[Event] = []
    await bench(configs(tmp_path), events.append)
    assert events == [Resumed(6, "searches", 6)]


async def test_warnings_are_events(tmp_path: Path) -> None:
    """Who runs a bench from Python sees them too."""
    events: list[Event] = []
    await bench(configs(tmp_path)[1:], events.append)
    assert events[0] == Warned("no method or PRM of this run reads temperature.")


async def test_a_comparison_names_runs_that_were_read_off(tmp_path: Path) -> None:
    """They have no progress of their own: without a word they would seem to be missing."""
    events: list[Event] = []
    await compare(variants(configs(tmp_path)[:1], {}, (1, 4)), events.append)
    assert events[-1] == Compared("simulated", 3, 3, ("best_of_n-budget=1",))


async def test_interleaved_runs_are_told_apart(tmp_path: Path) -> None:
    """They are counted as one, and each search names its own."""
    events: list[Event] = []
    await compare(variants(configs(tmp_path), {}, (2,)), events.append, minutes=10)
    assert names(events)[:2] == ["RunsPlanned", "RunStarted"]
    labels = {"simulated best_of_n-budget=2": 3, "simulated greedy": 3}
    for kind in (SearchStarted, RunAdvanced):
        assert Counter([event.label for event in events if isinstance(event, kind)]) == labels
    [planned] = [event for event in events if isinstance(event, RunsPlanned)]
    assert (planned.pieces, [run.label for run in planned.runs]) == ((6,), list(labels))


async def test_processes_report_as_one(tmp_path: Path) -> None:
    """Which process searched a problem is nobody's business; the count starts when models are loaded."""
    events: list[Event] = []
    await compare(variants(configs(tmp_path), {}, (2,)), events.append, processes=2)
    assert names(events) == ["RunsPlanned", "RunStarted", *["RunAdvanced"] * 6, "RunEnded", "Compared"]
    advanced = [event for event in events if isinstance(event, RunAdvanced)]
    assert Counter([event.label for event in advanced]) == {"simulated best_of_n-budget=2": 3, "simulated greedy": 3}
    last = events[-2]
    assert isinstance(last, RunEnded)
    assert (last.run.done, last.run.total) == (6, 6)


def test_a_run_that_is_broken_off_ends() -> None:
    """A live line that is never taken away hides what follows; the count says that it is not finished."""
    events: list[Event] = []

    def broken_off() -> None:
        with RunCounter(events.append, RunProgress("a", 3, done=1, correct=0)) as counter:
            counter.one_more(entry("a", "+").rows[0])
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        broken_off()
    assert names(events) == ["RunStarted", "RunAdvanced", "RunEnded"]
    assert isinstance(events[-1], RunEnded)
    assert (events[-1].run.done, events[-1].run.correct) == (2, 1)


def test_pieces_that_are_not_graded_have_no_count_of_right_ones() -> None:
    """Solutions that a PRM scores are neither right nor wrong here."""
    events: list[Event] = []
    with RunCounter(events.append, RunProgress("a", 1, unit="solutions")) as counter:
        counter.one_more()
    assert events[0] == RunStarted(RunProgress("a", 1, unit="solutions"))
    assert events[1] == RunAdvanced(RunProgress("a", 1, done=1, unit="solutions"), label="a")


def test_loading_that_fails_is_not_loaded() -> None:
    """The error follows; a listener must still take its line away."""
    events: list[Event] = []

    def failing() -> None:
        with loading(events.append, "m"):
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        failing()
    with loading(events.append, ""):
        pass
    started, ended = events
    assert started == LoadingStarted("m")
    assert isinstance(ended, LoadingEnded)
    assert not ended.loaded


def test_several_listen_to_the_same_events() -> None:
    """A terminal and a page at once."""
    first: list[Event] = []
    second: list[Event] = []
    to_all(first.append, second.append)(Warned("a"))
    assert first == second == [Warned("a")]
