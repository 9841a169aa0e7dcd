"""Runs side by side: wherever time ends, all have done the same problems."""

from __future__ import annotations

import asyncio
import io
import json
import math
import multiprocessing
import os
import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from commands import read_journal, without_seconds
from rich.console import Console

from tt_scale.bench.compare import interleaved
from tt_scale.bench.compare.compare_command import compare
from tt_scale.bench.compare.variants import Variant, variants
from tt_scale.bench.run import processes, watch
from tt_scale.bench.run.events import Warned
from tt_scale.bench.run.plan import problems_of
from tt_scale.bench.run.processes import Shared, _work, search_in_processes
from tt_scale.bench.stats.comparison import Comparison
from tt_scale.config import Config
from tt_scale.core.records import Step, StepRequest
from tt_scale.errors import ConfigError, EngineDeadError, JournalError, TTScaleError
from tt_scale.generator.simulated import SimulatedGenerator
from tt_scale.models import make_searcher
from tt_scale.report.console_reporter import ConsoleReporter

METHODS = ("best_of_n", "self_consistency", "beam_search", "rebase")


def eight(folder: Path, **changes: Any) -> list[Variant]:
    """Four methods at two budgets: two lines of best_of_n and two votes share one run, so that five are searched."""
    shared = {
        "model_name": "simulated",
        "prm_name": "simulated",
        "datasets": ("simulated",),
        "num_samples": 20,
        "repeats": 2,
        "temperature": 0.7,
        "output_dir": str(folder),
        "run_tag": "t",
        "concurrency": 4,
    }
    return variants([Config(**{**shared, **changes, "method": method}) for method in METHODS], {}, (1, 4))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look at the clock takes a second, so that a minute is sixty looks."""
    ticks = count()
    monkeypatch.setattr(interleaved, "monotonic", lambda: float(next(ticks)))


async def compared(found: list[Variant], minutes: float | None) -> Comparison:
    [comparison] = await compare(found, minutes=minutes)
    return comparison


def searches(comparison: Comparison) -> list[set[tuple[str, int]]]:
    return [{(row.id, row.repeat) for row in entry.rows} for entry in comparison.entries]


def records(folder: Path) -> dict[str, set[str]]:
    """Every record of every run, without what depends on the clock and on the order of problems."""
    found: dict[str, set[str]] = {}
    for path in folder.rglob("problems.jsonl"):
        lines = read_journal(path.parent)
        for line in lines:
            without_seconds(line)
            line["tape"] = str(line["tape"])
            for node in line["tree"]:
                node.get("usage", {}).pop("seconds", None)
        found[path.parent.name] = {json.dumps(line, sort_keys=True) for line in lines}
        assert len({(line["id"], line["repeat"]) for line in lines}) == len(lines), "a search was done twice"
    return found


async def test_time_ends_between_problems(clock: None, tmp_path: Path) -> None:
    """59 searches are eleven problems of five runs, and some of the next: all lines stand on the first eleven."""
    found = await compared(eight(tmp_path), 1)
    first, *others = searches(found)
    problems = problems_of(eight(tmp_path)[0].config, "simulated")
    assert first == {(problem.id, 0) for problem in problems[:11]}
    assert all(each == first for each in others)
    assert found.problems == found.pairs[4][0].problems == 11
    assert found.vote_tokens is not None


def test_no_problem_weighs_more_than_another() -> None:
    """Accuracies over searches and differences over problems would be of two sets."""
    order = [f"p{number}" for number in range(20)]
    first, second = {(name, 0) for name in order}, {(name, 1) for name in order[:15]}
    for done in (first, first | {("p0", 1), ("p1", 1)}, first | second):
        assert interleaved.balanced(frozenset(done), order) == first  # 20 x 1 against 15 x 4/3
    done = first | second | {("p15", 1)}
    assert interleaved.balanced(frozenset(done), order) == {(name, repeat) for name in order[:16] for repeat in (0, 1)}
    assert interleaved.balanced(frozenset({("p1", 2)}), order) == interleaved.balanced(frozenset(), order) == set()


def test_what_was_broken_off_does_not_favour_what_ends_first() -> None:
    """Of problems side by side the easy ones end first: behind one that lacks a search none is counted."""
    order = [f"p{number}" for number in range(9)]
    done = frozenset({(name, repeat) for name in order for repeat in range(3)} - {("p5", 2), ("p7", 0)})
    assert interleaved.balanced(done, order) == {(name, repeat) for name in order[:7] for repeat in range(2)}
    assert interleaved.balanced(done - {("p5", 1)}, order) == {
        (name, repeat) for name in order[:5] for repeat in range(3)
    }


async def test_it_goes_on_to_what_one_sitting_gives(clock: None, tmp_path: Path) -> None:
    """Stopped twice, then finished: records, lines and pairs are those of a run without a limit."""
    for minutes in (0.5, 1):
        assert (await compared(eight(tmp_path / "parts"), minutes)).problems < 20
    parts = await compared(eight(tmp_path / "parts"), None)
    whole = await compared(eight(tmp_path / "whole"), None)
    assert records(tmp_path / "parts") == records(tmp_path / "whole")
    assert [(entry.name, entry.accuracy, entry.tokens) for entry in parts.entries] == [
        (entry.name, entry.accuracy, entry.tokens) for entry in whole.entries
    ]
    assert parts.pairs == whole.pairs
    assert all(len(each) == 40 for each in searches(parts))


async def test_processes_share_the_problems(tmp_path: Path) -> None:
    """Two processes search, one writes: records are those of one, and what was done before is not done again."""
    [comparison] = await compare(eight(tmp_path / "two"), processes=2)
    whole = await compared(eight(tmp_path / "one"), None)
    assert records(tmp_path / "two") == records(tmp_path / "one")
    assert comparison.pairs == whole.pairs
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "two").rglob("problems.jsonl")}
    await compare(eight(tmp_path / "two"), processes=2)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


class Journal:
    """Takes records, and keeps none."""

    def append_line(self, line: str, record: Any) -> Any:
        return record


async def test_processes_say_when_they_have_their_models(tmp_path: Path) -> None:
    """The clock of the progress counted the time in which each process loaded models of its own."""
    config = eight(tmp_path, num_samples=4)[0].config
    tasks = [(0, number, 0) for number in range(4)]
    shared = Shared([config], [make_searcher(config)], [()], problems_of(config, "simulated"), tasks, math.inf)
    events: list[str] = []
    journals: Any = [Journal()]
    told = events.append
    await search_in_processes(shared, 1, journals, lambda row, place: told("row"), lambda: told("ready"))
    assert events == ["ready", "row", "row", "row", "row"]


async def test_loading_is_shown_before_the_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where processes load their own models, nothing was shown for that long."""
    monkeypatch.setattr(interleaved, "loaded_names", lambda config: "the models")
    console = Console(file=io.StringIO(), width=200)
    await compare(eight(tmp_path), ConsoleReporter(console), processes=2)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert lines[0] == "Loading the models ..."
    assert lines[1].startswith("Loaded the models in")
    assert "accuracy" in lines[-1]


class End:
    """The end of a pipe that keeps what is sent into it."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def send(self, found: Any) -> None:
        self.sent.append(found)


async def test_models_that_hang_in_a_process_are_restarted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was in flight is searched again, and the process that shows the progress says so."""
    generate, lives, calls = SimulatedGenerator.generate, count(), count()
    monkeypatch.setattr(processes, "share_thread", lambda: None)
    monkeypatch.setattr(watch, "LOOK_EVERY", 0.01)

    async def start(generator: SimulatedGenerator) -> None:
        generator.life = next(lives)  # type: ignore[attr-defined]

    async def hanging(generator: SimulatedGenerator, requests: Sequence[StepRequest]) -> list[Step]:
        if generator.life == 0 and next(calls) > 3:  # type: ignore[attr-defined]
            await asyncio.sleep(3600)
        return await generate(generator, requests)

    monkeypatch.setattr(SimulatedGenerator, "start", start)
    monkeypatch.setattr(SimulatedGenerator, "generate", hanging)
    config = Config(
        model_name="simulated", prm_name="simulated", num_samples=6, concurrency=2, method="best_of_n",
        stall_timeout=0.3,
    )  # fmt: skip
    problems = problems_of(config, "simulated")
    shared = Shared([config], [make_searcher(config)], [()], problems, [(0, at, 0) for at in range(6)], math.inf)
    end = End()
    await processes._search(shared, multiprocessing.Value("q", 0), end)  # type: ignore[arg-type]
    rows = [row for place, _, row in filter(lambda each: isinstance(each, tuple), end.sent)]
    assert sorted([row.index for row in rows]) == [*range(6)]
    assert not any(row.error for row in rows)
    assert any("The models are restarted, once" in each.text for each in end.sent if isinstance(each, Warned))
    assert next(lives) == 2


class Deadly:
    """Ends the process that takes it out of its parcel."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (3,)


async def test_a_process_that_dies_ends_the_run() -> None:
    """Waiting for it would wait for ever."""
    shared = Shared([], [Deadly()], [], [], [(0, 0, 0)], math.inf)  # type: ignore[list-item]
    with pytest.raises(EngineDeadError, match="process that searched died"):
        await search_in_processes(shared, 1, [], lambda row, place: None)


async def test_what_ends_a_process_is_told(tmp_path: Path) -> None:
    """An engine that cannot start in a process of its own would be a traceback there and silence here."""
    config = Config(model_name=str(tmp_path), prm_name="none", generator="huggingface", method="self_consistency")
    shared = Shared([config], [make_searcher(config)], [()], [], [(0, 0, 0)], math.inf)
    with pytest.raises(TTScaleError) as caught:
        await search_in_processes(shared, 1, [], lambda row, place: None)
    assert str(tmp_path) in str(caught.value) or "transformers" in str(caught.value)


def test_a_second_failure_is_told_to_nobody(tmp_path: Path) -> None:
    """Two processes cannot start the same model; who is told of the first no longer listens to the other."""
    config = Config(model_name=str(tmp_path), prm_name="none", generator="huggingface", method="self_consistency")
    shared = Shared([config], [make_searcher(config)], [()], [], [(0, 0, 0)], math.inf)
    context = multiprocessing.get_context("spawn")
    begun = context.Value("q", 0)
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(shared, begun, theirs))
    process.start()
    ours.close()
    theirs.close()
    process.join()
    assert process.exitcode == 0  # a traceback would end it with 1


class Full:
    """The journal of a full disk; while it finds out, those who search fill the pipe."""

    def append_line(self, line: str, record: Any) -> Any:
        time.sleep(1.0)
        raise JournalError("No space left.")


async def test_who_stops_listening_ends_the_processes(tmp_path: Path) -> None:
    """A process that sends into a full pipe that nobody reads would be waited for, for ever."""
    config = eight(tmp_path, num_samples=300)[0].config
    tasks = [(0, number, 0) for number in range(300)]
    shared = Shared([config], [make_searcher(config)], [()], problems_of(config, "simulated"), tasks, math.inf)
    with pytest.raises(JournalError, match="No space left"):
        await search_in_processes(shared, 2, [Full()], lambda row, place: None)  # type: ignore[list-item]


async def test_too_short_for_one_problem(tmp_path: Path) -> None:
    """A page about nothing would divide by zero."""
    with pytest.raises(ConfigError, match="before all 5 runs had searched one problem of simulated"):
        await compared(eight(tmp_path), 0)


async def test_no_minutes_only_tell(clock: None, tmp_path: Path) -> None:
    """Nothing is searched, and what was done is told again."""
    before = await compared(eight(tmp_path), 1)
    kept = records(tmp_path)
    again = await compared(eight(tmp_path), 0)
    assert records(tmp_path) == kept
    assert searches(again) == searches(before)
