"""Sample solutions with a generator and label them: by an exact step checker if there is one, else by final answers.

logs/<folder>/solutions.jsonl    one line for each problem: all its solutions

The folder depends only on generator, problems and sampling, so that PRMs can be compared on the same solutions.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from tt_scale.base_classes import Generator
from tt_scale.bench.format.record_types import STRICT, Amount, Count
from tt_scale.bench.run.journal import JournalOf
from tt_scale.bench.run.plan import problems_of
from tt_scale.config import Config
from tt_scale.core.concurrency import ending_of
from tt_scale.core.path import Path
from tt_scale.core.records import Ended, Problem, Step
from tt_scale.core.segmentation import step_texts
from tt_scale.core.text import described
from tt_scale.engines.bounded_gather import in_flight
from tt_scale.errors import EngineDeadError
from tt_scale.generator.simulated import path_is_right
from tt_scale.grading import Grade, Grader
from tt_scale.pocket import PocketProblem, pocket_math, read_request, right_steps
from tt_scale.pocket.problems import NAME as POCKET
from tt_scale.prm_eval.labelled import LabelledSolution
from tt_scale.space.search_space import SearchSpace

__all__ = ["Drawn", "DrawnJournal", "SampledSet", "draw", "sampled_set"]

BY_OUTCOME = "outcomes: every step is labelled by whether the final answer of its solution is right"

Checker = Callable[[Problem, tuple[int, ...], Path], tuple[bool, ...]]
"""(problem, ids of its prompt, path) -> whether each step and all before it are correct."""


@dataclass(frozen=True)
class SampledSet:
    """A problem set whose solutions are sampled.

    Attributes:
        name: its name in the command.
        truth: a phrase on the source of the labels.
        problems: problems to solve.
        checker: checker of steps; None labels steps by outcome.
    """

    name: str
    truth: str
    problems: Sequence[Problem] = field(repr=False)
    checker: Checker | None = None


@dataclass(frozen=True, slots=True)
class Drawn:
    """Solutions sampled for one problem.

    Attributes:
        id: id of the problem.
        solutions: its labelled solutions.
        lost: number of failed requests.
        error: reason why there are no solutions; empty without an error.
    """

    id: str
    solutions: tuple[LabelledSolution, ...]
    lost: int
    error: str


@dataclass(frozen=True)
class World:
    """Generator, grader and configuration for sampling and labelling.

    Attributes:
        config: provides sampling parameters, limits and delimiters.
        generator: a started generator.
        grader: an open grader.
        top_logprobs: number of most likely tokens whose log-probabilities the PRM needs.
    """

    config: Config
    generator: Generator
    grader: Grader
    top_logprobs: int = 0


def sampled_set(name: str, config: Config) -> SampledSet:
    """Load the problems of a sampled set.

    Raises:
        ProblemSetError: the problem set does not exist.
    """
    problems = problems_of(config, name)
    short, _, settings = name.partition(":")
    if short == POCKET:
        asked = read_request(settings)
        made = {each.id: each for each in pocket_math(asked.count, asked.seed, asked.levels, asked.split)}
        checker = _PocketChecker(made, config.stop_tokens)
        return SampledSet(name, "steps as judged by the exact checker of pocket-math", problems, checker)
    if name == "simulated":
        return SampledSet(name, "steps as the simulated world knows them", problems, _simulated_checker)
    return SampledSet(name, BY_OUTCOME, problems)


@dataclass(frozen=True)
class _PocketChecker:
    problems: Mapping[str, PocketProblem]
    delimiters: tuple[str, ...]

    def __call__(self, problem: Problem, prompt: tuple[int, ...], path: Path) -> tuple[bool, ...]:
        return tuple(right_steps(self.problems[problem.id], step_texts(path.steps, self.delimiters)))


def _simulated_checker(problem: Problem, prompt: tuple[int, ...], path: Path) -> tuple[bool, ...]:
    labels, ids = [], prompt
    for step in path.steps:
        ids += step.ids
        labels.append(path_is_right(ids))
    return tuple(labels)


class _StepFields(TypedDict, total=False):
    """All fields of a step; those that are as they are anyway are left out."""

    __pydantic_config__ = STRICT  # type: ignore[misc]
    text: str
    ids: list[int]
    ended: Ended
    seed: int
    temperature: Amount
    cached: Count
    error: str
    logprobs: list[float]
    confidences: list[float]
    prompt_tokens: Count
    divided: list[str]


class _SolutionFields(TypedDict):
    """A solution."""

    __pydantic_config__ = STRICT  # type: ignore[misc]
    number: Count
    answer: str | None
    correct: bool | None
    finished: bool
    labels: list[bool | None]
    steps: list[_StepFields]


class _Fields(TypedDict):
    """A line of the journal."""

    __pydantic_config__ = STRICT  # type: ignore[misc]
    id: str
    solutions: list[_SolutionFields]
    lost: Count
    error: str


@lru_cache(maxsize=1)
def _fields() -> TypeAdapter[_Fields]:
    return TypeAdapter(_Fields)


class DrawnJournal(JournalOf[Drawn]):
    """The journal of the solutions of a sampled set."""

    file = "solutions.jsonl"

    def __init__(self, drawn: SampledSet, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._problems = {problem.id: problem for problem in drawn.problems}

    def name_of(self, entry: Drawn) -> Hashable:
        """Its id."""
        return entry.id

    def entry(self, record: Mapping[str, Any]) -> Drawn:
        """Parse the solutions of a record with their steps, which are scored later."""
        _fields().validate_python(record)
        problem = self._problems[record["id"]]
        solutions = [
            LabelledSolution(
                id=f"{problem.id}#{each['number']}",
                problem=problem,
                steps=tuple(map(_read_step, each["steps"])),
                labels=tuple(each["labels"]),
                number=each["number"],
                correct=each["correct"],
                answer=each["answer"],
                finished=each["finished"],
            )
            for each in record["solutions"]
        ]
        return Drawn(problem.id, tuple(solutions), record["lost"], record["error"])


async def draw(asked: SampledSet, world: World, journal: DrawnJournal, report: Callable[[Drawn], None]) -> None:
    """Sample `N` solutions of each problem that is not in the journal.

    Args:
        asked: the set to sample.
        world: generator, grader and configuration.
        journal: an open journal.
        report: called with the solutions of each problem.

    Raises:
        EngineDeadError: the engine died; finished problems are in the journal.
        JournalError: the journal can no longer be written.
    """
    done = {row.id for row in journal.rows}

    async def work(problem: Problem) -> None:
        ending = await ending_of(written(problem))
        if isinstance(ending.error, EngineDeadError):
            raise ending.error
        if ending.error is None:
            line, entry = ending.result
        else:  # one bad problem never ends a run; it is named in its record
            failed = {"id": problem.id, "solutions": [], "lost": world.config.N, "error": described(ending.error)}
            line, entry = journal.line(failed), journal.entry(failed)
        report(journal.append_line(line, entry))

    async def written(problem: Problem) -> tuple[bytes, Drawn]:
        record = {"id": problem.id, **await _solved(asked, world, problem)}
        return journal.line(record), journal.entry(record)

    await in_flight([each for each in asked.problems if each.id not in done], work, world.config.concurrency)


async def _solved(asked: SampledSet, world: World, problem: Problem) -> dict[str, Any]:
    config, generator, grader = world.config, world.generator, world.grader
    space = SearchSpace(problem, generator, None, config)
    space.request_logprobs(world.top_logprobs)
    [paths] = await space.complete(space.roots(), config.N, temperature=config.temperature)
    prompt = generator.prompt(problem, config.system_prompt)
    kept = [path for path in paths if path.state != "failed" and path.steps]
    answers = [space.answer(path) if path.is_finished else None for path in kept]
    grades = await grader.grade_many(problem.answer, answers)
    return {
        "solutions": [
            _solution(number, path, answer, grade, asked.checker and asked.checker(problem, prompt, path))
            for number, (path, answer, grade) in enumerate(zip(kept, answers, grades, strict=True))
        ],
        "lost": config.N - len(kept),
        "error": "",
    }


def _solution(
    number: int, path: Path, answer: str | None, grade: Grade, checked: tuple[bool, ...] | None
) -> dict[str, Any]:
    """Record of a solution; an ungraded one has no label, one without an answer is wrong."""
    correct = None if grade == "ungraded" else grade == "correct"
    return {
        "number": number,
        "answer": answer,
        "correct": correct,
        "finished": path.is_finished and answer is not None,
        "labels": [correct] * len(path.steps) if checked is None else list(checked),
        "steps": list(map(_written_step, path.steps)),
    }


def _written_step(step: Step) -> dict[str, Any]:
    """All fields of a step that differ from their defaults, since any PRM may need them."""
    usual = {each.name: each.default for each in fields(step)}
    values = {name: getattr(step, name) for name in _StepFields.__annotations__}
    told = {name: value for name, value in values.items() if value != usual[name]}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in told.items()}


def _read_step(record: Mapping[str, Any]) -> Step:
    values: dict[str, Any] = {key: tuple(each) if isinstance(each, list) else each for key, each in record.items()}
    return Step(**values)
