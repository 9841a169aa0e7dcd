"""Search many problems at once; write each down as it finishes.

Problems are tasks in one event loop. Their requests meet in the backends, which batch them; no problem waits for
another. What ends a problem is its own row; only a dead engine, the user or a full disk end a run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tt_scale.base_classes import PRM, Generator, Searcher
from tt_scale.bench.record import Row, failure_record, search_record, written
from tt_scale.config import Config
from tt_scale.core.budget import Usage
from tt_scale.core.concurrency import ending_of
from tt_scale.core.path import Outcome
from tt_scale.core.records import Problem
from tt_scale.engines.bounded_gather import in_flight
from tt_scale.errors import EngineDeadError
from tt_scale.grading import Grade, Grader, group_spellings
from tt_scale.space.search_space import SearchSpace

__all__ = ["ProblemSearch", "Run", "Task", "run_tasks"]

Task = tuple[int, int, int]
"""Place of a run, place of a problem, and repeat."""


class Writes(Protocol):
    """Takes the records of a run, as a journal does."""

    def append_line(self, line: bytes, entry: Row) -> Row:
        """Write a line, and give the numbers of its record."""


@dataclass(frozen=True)
class ProblemSearch:
    """Searches problems and grades what is found; everything that this needs is open.

    Attributes:
        config: of the run.
        searcher: the method.
        generator: started.
        prm: started, or None.
        grader: open.
        first_scores: of the run's first steps, of which a quantile as `tau` is taken; empty where it is a number.
    """

    config: Config
    searcher: Searcher
    generator: Generator
    prm: PRM | None
    grader: Grader
    first_scores: Sequence[float] = field(default=(), kw_only=True)

    async def result(self, index: int, repeat: int, problem: Problem) -> tuple[bytes, Row]:
        """Search and grade one problem, whatever happens to it; gives a line of the journal and its numbers.

        Raises:
            EngineDeadError: no backend can serve any problem any more.
        """
        spaces: list[SearchSpace] = []
        ending = await ending_of(self._searched(index, repeat, problem, spaces))
        if isinstance(ending.error, EngineDeadError):
            raise ending.error
        if ending.error is None:
            return ending.result
        return await self._failed(index, repeat, problem, spaces, ending.error)

    async def _searched(
        self, index: int, repeat: int, problem: Problem, spaces: list[SearchSpace]
    ) -> tuple[bytes, Row]:
        """Search and grade one problem; its space is put into `spaces`, for the account of a search that fails."""
        space = SearchSpace(
            problem,
            self.generator,
            self.prm,
            self.config,
            repeat=repeat,
            first_scores=self.first_scores,
            max_steps=self.searcher.longest_path,
            grouping=group_spellings,
        )
        spaces.append(space)
        outcome = await space.conclude(await self.searcher.search(space))
        selector = self.config.selector or self.searcher.selector
        final_agg = self.config.final_agg
        source = self._source_verdicts(problem, outcome)
        record = await search_record(index, repeat, space, outcome, selector, self.grader, final_agg, source)
        return await written(record), Row.of(record)

    def _source_verdicts(self, problem: Problem, outcome: Outcome) -> list[Grade]:
        """Verdicts of the source of recorded samples on a pool; none unless it judged every member."""
        found = [self.generator.source_verdict(problem, path) for path in outcome.pool]
        return [] if None in found else ["correct" if right else "wrong" for right in found]

    async def _failed(
        self, index: int, repeat: int, problem: Problem, spaces: Sequence[SearchSpace], error: BaseException
    ) -> tuple[bytes, Row]:
        """Write down a problem that failed, with its tape as far as that can be written."""
        usage = spaces[0].usage if spaces else Usage()
        tape = spaces[0].tape if spaces else None
        measured = spaces[0].call_seconds if spaces else {}
        record = failure_record(index, repeat, problem, usage, error, tape, measured)
        try:
            line = await written(record)
        except Exception:  # noqa: BLE001 - the tape may hold the very value that failed
            record = {**record, "tape": None}
            line = await written(record)
        return line, Row.of(record)


@dataclass(frozen=True)
class Run(ProblemSearch):
    """Searches whose records are written to a journal.

    Attributes:
        journal: open, or what stands for it.
        finished: called with each new row.
        begun: called with id and repeat of each problem that is about to be searched.
    """

    journal: Writes
    finished: Callable[[Row], None]
    begun: Callable[[str, int], None] = field(default=lambda problem, repeat: None, kw_only=True)

    async def problem(self, index: int, repeat: int, problem: Problem) -> None:
        """Search, grade and write down one problem, whatever happens to it.

        Raises:
            EngineDeadError: no backend can serve any problem any more.
            JournalError: the journal cannot be written any more.
        """
        self.begun(problem.id, repeat)
        line, row = await self.result(index, repeat, problem)
        self.finished(self.journal.append_line(line, row))


async def run_tasks(runs: Sequence[Run], problems: Sequence[Problem], tasks: Iterable[Task]) -> None:
    """Search, `config.concurrency` of the first run at a time.

    Args:
        runs: at least one, with the same models.
        problems: of all of them.
        tasks: in the order in which they are begun.

    Raises:
        EngineDeadError: the engine died; what was done is in the journals.
        JournalError: a journal cannot be written any more.
    """

    async def work(task: Task) -> None:
        place, index, repeat = task
        await runs[place].problem(index, repeat, problems[index])

    await in_flight(tasks, work, runs[0].config.concurrency)
