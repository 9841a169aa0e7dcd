"""Seconds of a search in its calls: measured, written down, and left out where nobody measured them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from run_folders import retried, write_run
from worlds import run as searched
from worlds import sim_space

from tt_scale.base_classes import Problem, Scores, Step, StepRequest
from tt_scale.bench.format.lines import read_line
from tt_scale.bench.reader.run_data import read_run
from tt_scale.bench.record import Row, failure_record, input_digest, line_of_record, search_record, unpack
from tt_scale.core.budget import Usage
from tt_scale.core.path import Path as SearchPath
from tt_scale.grading import Grader
from tt_scale.searcher.best_of_n import BestOfN
from tt_scale.space import call_time
from tt_scale.space.call_time import CallTime


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(call_time, "time", found)
    return found


def test_calls_that_overlap_count_once(clock: Clock) -> None:
    """Eight requests of one second each that wait together are one second of waiting, not eight."""
    measured = CallTime()
    with measured.measured():
        clock.now += 1.0
        with measured.measured():
            clock.now += 2.0
        clock.now += 4.0
        assert measured.seconds == 7.0
    clock.now += 8.0
    with measured.measured():
        clock.now += 0.5
    assert measured.seconds == 7.5


def test_a_call_that_fails_is_measured(clock: Clock) -> None:
    measured = CallTime()

    def failing() -> None:
        with measured.measured():
            clock.now += 3.0
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        failing()
    clock.now += 5.0
    assert measured.seconds == 3.0


def slowed(space: Any, clock: Clock) -> Any:
    """A space whose generator takes 2 s a call on the clock of the test, and whose PRM takes 0.25 s."""
    recorder = space._recorder
    generate, score = recorder._generator.generate, recorder._prm.score

    async def slow_generate(requests: Sequence[StepRequest]) -> list[Step]:
        clock.now += 2.0
        return await generate(requests)

    async def slow_score(problem: Problem, paths: Sequence[SearchPath]) -> list[Scores]:
        clock.now += 0.25
        return await score(problem, paths)

    recorder._generator.generate, recorder._prm.score = slow_generate, slow_score
    return space


def recorded(space: Any, **more: Any) -> dict[str, Any]:
    outcome = searched(BestOfN(N=2), space)

    async def graded() -> dict[str, Any]:
        with Grader() as grader:
            return await search_record(0, 0, space, outcome, "best", grader, **more)

    return asyncio.run(graded())


def test_seconds_of_generator_prm_and_grading_are_fields_of_a_row(clock: Clock) -> None:
    """They come back from the line of a journal as they were measured."""
    record = recorded(slowed(sim_space(), clock))
    calls = record["tape"].calls
    row = Row.of(read_line(line_of_record(record)))
    scored = sum([hasattr(call, "scores") for call in calls])
    assert row.generator_seconds == 2.0 * (len(calls) - scored) > 0
    assert row.prm_seconds == 0.25 * scored > 0
    assert row.grading_seconds is not None
    assert 0 <= row.grading_seconds < 60


def test_without_a_prm_there_are_none_of_it() -> None:
    space = sim_space()
    space._prm = space._recorder._prm = None
    assert set(space.call_seconds) == {"generator_seconds"}


def test_a_failure_has_those_of_its_calls() -> None:
    space = sim_space()
    seconds = {"generator_seconds": 1.5, "prm_seconds": 0.5}
    record = failure_record(0, 0, space.problem, Usage(), RuntimeError("no"), space.tape, seconds)
    row = Row.of(unpack(read_line(line_of_record(record))))
    assert (row.generator_seconds, row.prm_seconds, row.grading_seconds) == (1.5, 0.5, None)


def test_lines_of_the_present_format_without_them_stay_readable() -> None:
    """Journals that exist have none of the three; nothing is made up, and their checksum of inputs is what it was."""
    plain, timed = recorded(sim_space(), call_seconds={}), recorded(sim_space(), call_seconds={"prm_seconds": 0.0})
    row = Row.of(read_line(line_of_record(plain)))
    assert (row.generator_seconds, row.prm_seconds, row.grading_seconds) == (None, None, None)
    plain["usage"]["seconds"] = timed["usage"]["seconds"] = 1.0
    assert input_digest(plain) != input_digest(timed)
    del timed["prm_seconds"]
    assert input_digest(plain) == input_digest(timed)


@pytest.mark.parametrize("value", [-0.5, "1", None])
def test_what_is_no_time_is_refused(value: Any) -> None:
    record = recorded(sim_space(), call_seconds={"prm_seconds": value})
    with pytest.raises(ValueError, match="prm_seconds"):
        line_of_record(record)


def test_a_table_of_pandas_has_them_or_nan(tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    timed = {**retried(0), "generator_seconds": 0.75, "right": 2}
    line = line_of_record(unpack_ready(timed))
    folder = write_run(tmp_path / "run", [retried(1)], wanted=2)
    with (folder / "problems.jsonl").open("ab") as journal:
        journal.write(line)
    table = read_run(folder).to_pandas().set_index("id")
    assert str(table.generator_seconds.dtype) == "float64"
    assert table.generator_seconds["p-0"] == 0.75
    assert table.generator_seconds.isna()["p-1"]
    assert table.grading_seconds.isna().all()


def unpack_ready(record: dict[str, Any]) -> dict[str, Any]:
    """The same in the order of a line with a checksum, without a tape."""
    parts = {key: record.pop(key) for key in ("pool", "events", "tree")}
    return {**record, **parts, "tape": None}
