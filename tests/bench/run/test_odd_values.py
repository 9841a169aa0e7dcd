"""One bad problem never ends a run, whatever a backend returns or raises."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from commands import read_journal, timeless
from worlds import sim_problem

from tt_scale.base_classes import PRM, Generator, Problem, Scores, Step, StepRequest
from tt_scale.bench.record import Row
from tt_scale.bench.run import runner
from tt_scale.bench.run.csv_logs import write_detail_log
from tt_scale.bench.run.journal import Journal
from tt_scale.bench.run.runner import Run, run_tasks
from tt_scale.config import Config
from tt_scale.core.concurrency import ending_of
from tt_scale.core.path import Path as Solution
from tt_scale.core.text import described, escaped
from tt_scale.errors import EngineDeadError
from tt_scale.generator.simulated import FIRST_PROMPT, SimulatedGenerator
from tt_scale.grading import Grader
from tt_scale.prm.simulated import SimulatedPRM
from tt_scale.searcher.beam_search import BeamSearch
from tt_scale.space.coercion import plain_scores, plain_step

PROBLEMS = [sim_problem(number, level=2, steps=3) for number in range(4)]
MANIFEST: dict[str, Any] = {"experiment": {}, "versions": {}}
ODD = 1
"""The problem on which a backend does something odd."""


class OddGenerator(SimulatedGenerator):
    """Does something else with the answers to one problem."""

    def __init__(self, change: Callable[[list[Step]], Any]) -> None:
        super().__init__()
        self.change = change

    async def generate(self, requests: Sequence[StepRequest]) -> list[Step]:
        steps = await super().generate(requests)
        if requests[0].ids[0] != FIRST_PROMPT + ODD:
            return steps
        return self.change(steps)  # type: ignore[no-any-return]


class OddPRM(SimulatedPRM):
    """Does something else with the scores of one problem."""

    def __init__(self, change: Callable[[list[Scores]], Any], generator: Generator) -> None:
        super().__init__(0.6, 79, generator)
        self.change = change

    async def score(self, problem: Problem, paths: Sequence[Solution]) -> list[Scores]:
        scores = await super().score(problem, paths)
        return self.change(scores) if problem.id == PROBLEMS[ODD].id else scores  # type: ignore[no-any-return]


def searched(
    folder: Path, generator: SimulatedGenerator | None = None, prm: Callable[[Generator], PRM] | None = None
) -> list[Row]:
    """Run four problems, and read back what was written."""
    generator = generator or SimulatedGenerator()
    made = prm(generator) if prm else SimulatedPRM(0.6, 79, generator)
    config = Config(model_name="simulated", prm_name="simulated")
    with Grader() as grader, Journal(folder, MANIFEST, PROBLEMS) as journal:
        run = Run(config, BeamSearch(N=2), generator, made, grader, journal, lambda row: None)
        asyncio.run(run_tasks([run], PROBLEMS, [(0, index, 0) for index in range(len(PROBLEMS))]))
    with Journal(folder, MANIFEST, PROBLEMS) as journal:
        assert journal.set_aside == []
        write_detail_log(folder / "detail.csv", journal.rows)
        return sorted(journal.rows, key=lambda row: row.index)


def recorded(folder: Path) -> list[dict[str, Any]]:
    """The records in the order of the problems."""
    return sorted(read_journal(folder), key=lambda record: record["index"])  # type: ignore[no-any-return]


def failed(rows: Sequence[Row]) -> str:
    """The error of the odd problem; all others were searched."""
    assert [bool(row.error) for row in rows] == [row.index == ODD for row in rows]
    return rows[ODD].error


def stepwise(**changes: Callable[[Step], Any]) -> Callable[[list[Step]], list[Step]]:
    return lambda steps: [replace(step, **{key: make(step) for key, make in changes.items()}) for step in steps]


def test_numpy_ids_and_counts_are_numbers(tmp_path: Path) -> None:
    """`Object of type int64 is not JSON serializable` ended the run of whoever wrote a generator with NumPy."""
    numpy = pytest.importorskip("numpy")
    change = stepwise(
        ids=lambda step: numpy.array(step.ids, dtype=numpy.int32),
        cached=lambda step: numpy.int64(2),
        seed=lambda step: numpy.int64(step.seed),
        temperature=lambda step: numpy.float64(step.temperature),
    )
    rows = searched(tmp_path / "odd", OddGenerator(change))
    assert not any(row.error for row in rows)
    searched(tmp_path / "even", OddGenerator(stepwise(cached=lambda step: 2)))
    odd, even = (recorded(tmp_path / name) for name in ("odd", "even"))
    assert [record["tree"] for record in odd] == [record["tree"] for record in even]
    assert [record["tape"] for record in odd] == [record["tape"] for record in even]


@pytest.mark.parametrize("kind", ["numpy", "float32", "torch", "list", "array"])
def test_scores_of_any_number_type_are_scores(tmp_path: Path, kind: str) -> None:
    """A PRM that returns what its model returns."""
    numpy = pytest.importorskip("numpy")
    torch = pytest.importorskip("torch") if kind == "torch" else None
    make: dict[str, Callable[[tuple[float, ...]], Any]] = {
        "numpy": lambda values: tuple(map(numpy.float64, values)),
        "float32": lambda values: tuple(map(numpy.float32, values)),
        "torch": lambda values: torch.tensor(values, dtype=torch.float64),  # type: ignore[union-attr]
        "list": list,
        "array": numpy.array,
    }

    def change(scores: list[Scores]) -> list[Scores]:
        return [replace(each, values=make[kind](each.values), tokens=numpy.int64(each.tokens)) for each in scores]

    rows = searched(tmp_path / "odd", prm=lambda generator: OddPRM(change, generator))
    plain = searched(tmp_path / "even")
    if kind != "float32":
        assert list(map(timeless, rows)) == list(map(timeless, plain))
    assert not any(row.error for row in rows)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda scores: None, "TypeError"),
        (lambda scores: ["0.5"] * len(scores), "PRMError: The PRM gave a str for a path; it must be Scores."),
        (lambda scores: [replace(each, values=("0.5",)) for each in scores], "'0.5' is a str, not a number"),
        (lambda scores: [replace(each, values=(None,)) for each in scores], "None is a NoneType, not a number"),
        (lambda scores: [replace(each, values=None) for each in scores], "cannot be kept"),
        (lambda scores: [replace(each, values=(float("nan"),)) for each in scores], "returned the score nan"),
        (lambda scores: [replace(each, tokens=-1) for each in scores], "-1 is not a count"),
        (lambda scores: [replace(each, tokens=1.5) for each in scores], "1.5 is not a count"),
        (lambda scores: [replace(each, tokens=float("inf")) for each in scores], "inf is not a count"),
        (lambda scores: [replace(each, cached=float("nan")) for each in scores], "nan is not a count"),
        (lambda scores: [replace(each, flops=float("nan")) for each in scores], "nan is not an amount"),
        (lambda scores: [replace(each, flops=-1.0) for each in scores], "-1.0 is not an amount"),
        (lambda scores: [replace(each, parts={"a": (None,)}) for each in scores], "not a number"),
    ],
)
def test_scores_that_are_none_fail_their_problem(
    tmp_path: Path, change: Callable[[list[Scores]], Any], told: str
) -> None:
    """Negative and missing counts lowered the means of a table; the rest ended the run."""
    rows = searched(tmp_path / "odd", prm=lambda generator: OddPRM(change, generator))
    assert told in failed(rows)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda steps: None, "TypeError"),
        (lambda steps: [None] * len(steps), "GeneratorError: The generator gave a NoneType for a request"),
        (stepwise(ids=lambda step: (1.5,)), "cannot be kept"),
        (stepwise(ids=lambda step: None), "cannot be kept"),
        (stepwise(ids=lambda step: ("7",)), "cannot be kept"),
        (stepwise(text=lambda step: None), "its text is a NoneType"),
        (stepwise(ended=lambda step: "tired"), "it ended in 'tired'; allowed: stop, eos"),
        (stepwise(cached=lambda step: -1), "-1 is not a count"),
        (stepwise(seed=lambda step: "x"), "cannot be kept"),
    ],
)
def test_steps_that_are_none_fail_their_problem(tmp_path: Path, change: Callable[[list[Step]], Any], told: str) -> None:
    """As for scores."""
    assert told in failed(searched(tmp_path / "odd", OddGenerator(change)))


def test_half_a_character_is_a_mark(tmp_path: Path) -> None:
    """`surrogates not allowed` where a line is written ended the run."""
    rows = searched(tmp_path / "odd", OddGenerator(stepwise(text=lambda step: "\ud83d" + step.text[1:])))
    assert not any(row.error for row in rows)
    texts = [step["text"] for node in recorded(tmp_path / "odd")[ODD]["tree"] for step in node["steps"]]
    assert all("\ud83d" not in text for text in texts)
    assert any(text.startswith("\N{REPLACEMENT CHARACTER}") for text in texts)


class Mute(Exception):
    """Cannot say its own message."""

    def __str__(self) -> str:
        raise ZeroDivisionError


class Loud(BaseException):
    """No Exception at all."""


def raising(error: BaseException) -> Callable[[Any], Any]:
    def change(answers: Any) -> Any:
        raise error

    return change


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RuntimeError("\udc80 and \ud83d"), "RuntimeError: \\udc80 and \\ud83d"),
        (RuntimeError("two\nlines\x1b[31m"), "RuntimeError: two\nlines\x1b[31m"),
        (Mute(), "Mute: (its message raised ZeroDivisionError)"),
        (asyncio.CancelledError(), "CancelledError: a backend cancelled itself"),
        (SystemExit(3), "SystemExit: 3"),
        (Loud("!"), "Loud: !"),
        (GeneratorExit(), "GeneratorExit: "),
        (MemoryError(), "MemoryError: "),
        (RecursionError("deep"), "RecursionError: deep"),
    ],
)
@pytest.mark.parametrize("culprit", ["generator", "prm"])
def test_what_a_backend_raises_fails_its_problem(tmp_path: Path, error: BaseException, told: str, culprit: str) -> None:
    """A CancelledError of a backend ended the run without a word, as if the user had."""
    change = raising(error)
    if culprit == "generator":
        rows = searched(tmp_path / "odd", OddGenerator(change))
    else:
        rows = searched(tmp_path / "odd", prm=lambda generator: OddPRM(change, generator))
    assert failed(rows) == told
    record = recorded(tmp_path / "odd")[ODD]
    assert record["tape"].calls[-1].failure.kind == type(error).__name__


def test_a_dead_engine_ends_a_run(tmp_path: Path) -> None:
    """A dead engine written down as a failure of every problem that is left."""
    with pytest.raises(EngineDeadError):
        searched(tmp_path / "odd", OddGenerator(raising(EngineDeadError("gone"))))


async def test_a_cancellation_that_is_meant_for_the_run_ends_it() -> None:
    """Ctrl-C taken for a failure of the problem under way."""
    ended = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            ended.append(True)

    task = asyncio.ensure_future(ending_of(work()))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [True]


async def test_endings() -> None:
    """What a coroutine returned, or what it raised."""

    async def work(what: BaseException | int) -> int:
        if isinstance(what, BaseException):
            raise what
        return what

    assert (await ending_of(work(3))).result == 3
    ending = await ending_of(work(SystemExit(2)))
    assert isinstance(ending.error, SystemExit)
    with pytest.raises(SystemExit):
        _ = ending.result


@pytest.mark.parametrize("part", ["tree", "tape"])
def test_a_record_that_cannot_be_written_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """Serialising stood outside of what is guarded; the tape of the failure may hold the same value."""
    honest = runner.written

    async def broken(record: dict[str, Any]) -> bytes:
        if record["index"] == ODD and record[part]:
            raise TypeError("Object of type odd is not JSON serializable")
        return await honest(record)

    monkeypatch.setattr(runner, "written", broken)
    assert failed(searched(tmp_path / "odd")) == "TypeError: Object of type odd is not JSON serializable"


def test_texts_are_escaped() -> None:
    """What UTF-8 does not have is written as people write it; everything else stays."""
    assert escaped("\ud83d é \U0001f600") == "\\ud83d é \U0001f600"
    assert described(ValueError("x")) == "ValueError: x"
    assert json.loads(json.dumps(described(ValueError("\udc80")))) == "ValueError: \\udc80"


def test_plain_values_stay_the_same_objects() -> None:
    """A copy of every step would cost more than the search."""
    step = Step("a", (1, 2), "stop", 3, 0.5)
    scores = Scores((0.5,), 3, 1)
    assert plain_step(step) is step
    assert plain_scores(scores) is scores
