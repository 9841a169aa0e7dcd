"""Score labelled solutions with a PRM concurrently, recording each in a journal.

logs/<folder>/scores.jsonl    one line for each solution: its scores and what they cost
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from tt_scale.base_classes import PRM, Generator
from tt_scale.bench.format.record_types import STRICT, Amount, Count, Share
from tt_scale.bench.run.journal import JournalOf
from tt_scale.core.concurrency import ending_of
from tt_scale.core.path import Path
from tt_scale.core.records import Problem, Scores
from tt_scale.core.text import described
from tt_scale.core.waiting import waiting_for
from tt_scale.engines.bounded_gather import in_flight
from tt_scale.errors import EngineDeadError, JournalError, PRMError
from tt_scale.prm_eval.labelled import LabelledSolution
from tt_scale.space.coercion import plain_scores

__all__ = ["GivenScores", "Scored", "ScoreJournal", "score_solutions"]

_TOO_LONG = "longer than what the PRM reads"


@dataclass(frozen=True, slots=True)
class Scored:
    """Scores of one solution by a PRM.

    Attributes:
        id: id of the solution.
        of: fingerprint of its steps.
        values: scores of its steps, each in [0, 1] [steps]; empty if scoring failed.
        tokens: input tokens of the PRM.
        cached: input tokens that were read from a cache.
        seconds: seconds since the previous record, or since the start of scoring; they sum to the total time.
        overlong: whether the solution exceeds the PRM's context.
        error: the error message; empty without an error.
    """

    id: str
    of: str
    values: tuple[float, ...]
    tokens: int
    cached: int
    seconds: float
    overlong: bool
    error: str


class _Fields(TypedDict):
    """A line of the journal."""

    __pydantic_config__ = STRICT  # type: ignore[misc]
    id: str
    of: str
    values: list[Share]
    tokens: Count
    cached: Count
    seconds: Amount
    overlong: bool
    error: str


@lru_cache(maxsize=1)
def _fields() -> TypeAdapter[_Fields]:
    return TypeAdapter(_Fields)


class ScoreJournal(JournalOf[Scored]):
    """The journal of the scores of one set by one PRM."""

    file = "scores.jsonl"

    def name_of(self, entry: Scored) -> Hashable:
        """Its id."""
        return entry.id

    def entry(self, record: Mapping[str, Any]) -> Scored:
        """Parse a record."""
        fields = _fields().validate_python(record)
        return Scored(**{**fields, "values": tuple(fields["values"])})  # type: ignore[arg-type]

    def check(self, solutions: Sequence[LabelledSolution]) -> None:
        """Check that the scores belong to these solutions.

        Raises:
            JournalError: a solution of the same id has other steps.
        """
        fingerprints = {each.id: each.fingerprint for each in solutions}
        if any(fingerprints.get(row.id, row.of) != row.of for row in self.rows):
            raise JournalError(
                f"{str(self.folder)!r} holds scores of other solutions than those that were sampled last.",
                "Give another --run-tag, or delete that folder.",
            )


class GivenScores(PRM):
    """PRM that returns the scores recorded with the solutions, without a model.

    Args:
        solutions: solutions of one set, all with recorded scores.
    """

    def __init__(self, solutions: Sequence[LabelledSolution]) -> None:
        self._scores = {(each.problem.id, each.path.key): each.recorded for each in solutions}

    @classmethod
    def from_config(cls, config: Any, generator: Generator) -> GivenScores:
        """Not supported: a `GivenScores` is constructed from solutions."""
        raise TypeError("a GivenScores is made from solutions")

    async def score(self, problem: Problem, paths: Sequence[Path]) -> list[Scores]:
        """Look up the recorded scores."""
        return [Scores(self._scores[problem.id, path.key][len(path.scores) :]) for path in paths]


async def score_solutions(
    solutions: Sequence[LabelledSolution],
    prm: PRM,
    journal: ScoreJournal,
    report: Callable[[Scored], None],
    concurrency: int,
) -> None:
    """Score all solutions that are not in the journal, those of a problem together.

    If the PRM fails on a problem, its solutions are scored again one by one, and failures are recorded.

    Args:
        solutions: solutions of a set.
        prm: a started PRM.
        journal: an open journal.
        report: called with each record.
        concurrency: problems in flight, at least 1.

    Raises:
        EngineDeadError: the engine died; finished solutions are in the journal.
        JournalError: the journal can no longer be written.
    """
    done = {row.id for row in journal.rows}
    groups: dict[str, list[LabelledSolution]] = {}
    for solution in solutions:
        if solution.id not in done:
            groups.setdefault(solution.problem.id, []).append(solution)
    last = time.monotonic()

    def write(solution: LabelledSolution, scores: Scores, error: BaseException | None = None) -> None:
        nonlocal last
        now = time.monotonic()
        record = {
            "id": solution.id,
            "of": solution.fingerprint,
            "values": list(scores.values),
            "tokens": scores.tokens,
            "cached": scores.cached,
            "seconds": round(now - last, 6),
            "overlong": scores.too_long,
            "error": _TOO_LONG if scores.too_long else described(error) if error else "",
        }
        last = now
        report(journal.append(record))

    async def work(group: Sequence[LabelledSolution]) -> None:
        ending = await ending_of(scores_of(group))
        if isinstance(ending.error, EngineDeadError):
            raise ending.error
        if ending.error is None:
            for solution, scores in zip(group, ending.result, strict=True):
                write(solution, scores)
        elif len(group) == 1:  # one bad problem never ends a run; it is named in its record
            write(group[0], Scores(()), ending.error)
        else:
            for each in group:
                await work([each])

    async def scores_of(group: Sequence[LabelledSolution]) -> list[Scores]:
        paths = [each.path for each in group]
        with waiting_for(prm):
            verdicts = [plain_scores(each) for each in await prm.score(group[0].problem, paths)]
        _check(paths, verdicts)
        return verdicts

    await in_flight(groups.values(), work, concurrency)


def _check(paths: Sequence[Path], verdicts: Sequence[Scores]) -> None:
    if len(verdicts) != len(paths):
        raise PRMError(f"The PRM returned {len(verdicts)} records for {len(paths)} paths; it must return one each.")
    for path, verdict in zip(paths, verdicts, strict=True):
        verdict.check(len(path.steps))
