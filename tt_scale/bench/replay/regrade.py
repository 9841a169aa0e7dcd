"""Recorded searches graded and selected again, without a model; the records are only read.

The search itself stays as it was: its pool, its answers, and the scores of its steps. What can be asked is whether
another grader, another aggregate of these scores, or another selector would have changed the table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tt_scale.bench.reader.run_data import RunData
from tt_scale.bench.reader.search_record import Row, SearchRecord
from tt_scale.bench.record import verdicts
from tt_scale.bench.rows import Verdicts
from tt_scale.core.aggregate import aggregate
from tt_scale.core.selection import SELECTORS, Candidate
from tt_scale.engines.bounded_gather import in_flight
from tt_scale.errors import ConfigError
from tt_scale.grading import Grader
from tt_scale.grading.choice import Grades

__all__ = ["Regraded", "RegradedRun", "Regrading", "regrade"]

AT_ONCE = 16
"""Searches that are graded at a time: one whose answers take long must not hold up the others."""


@dataclass(frozen=True)
class Regrading:
    """How searches are graded and selected again.

    Attributes:
        grader: grades the answers.
        agg: aggregate of step scores that selectors see; None keeps the recorded scores.
        selector: selector of the answer; None keeps that of the run.
    """

    grader: Grades
    agg: str | None = None
    selector: str | None = None


@dataclass(frozen=True, slots=True)
class Regraded:
    """One search, as recorded and as graded again.

    Attributes:
        old: its numbers as recorded.
        new: the same with new answer, grade and verdicts of selectors.
    """

    old: Row
    new: Row

    @property
    def changed(self) -> bool:
        """Whether its answer or its verdict is another."""
        return (self.old.grade, self.old.answer) != (self.new.grade, self.new.answer)


@dataclass(frozen=True)
class RegradedRun:
    """A run graded again.

    Attributes:
        run: that was read.
        rules: by which it was graded again.
        searches: in the order of the journal [searches].
        unread: searches whose tree is damaged, and which are left out.
    """

    run: RunData
    rules: Regrading
    searches: Sequence[Regraded]
    unread: int

    @property
    def changed(self) -> list[Regraded]:
        """Searches with another answer or verdict, in the order of the problem set."""
        found = [each for each in self.searches if each.changed]
        return sorted(found, key=lambda each: (each.old.index, each.old.repeat))


async def regrade(run: RunData, rules: Regrading, finished: Callable[[Row], object] = lambda row: None) -> RegradedRun:
    """Grade and select the answers of every search of a run again.

    Args:
        run: is only read.
        rules: how.
        finished: called with the new numbers of each search.

    Raises:
        ConfigError: an aggregate is asked for, and the run has no step scores.
        JournalError: the journal cannot be read.
    """
    if rules.agg is not None and not run.scored:
        raise ConfigError(f"agg is {rules.agg!r}, but no PRM scored the steps of {str(run.folder)!r}.", "Leave it out.")
    found: dict[int, Regraded] = {}

    async def work(task: tuple[int, SearchRecord]) -> None:
        place, search = task
        found[place] = Regraded(search.row, await _regraded(search, rules))
        finished(found[place].new)

    await in_flight(enumerate(run.searches()), work, AT_ONCE)
    return RegradedRun(run, rules, [found[place] for place in sorted(found)], len(run.rows) - len(found))


async def _regraded(search: SearchRecord, rules: Regrading) -> Row:
    if search.row.error:
        return search.row
    answers = [member.answer for member in search.pool]
    grades = await rules.grader.grade_many(search.row.gold, answers)
    classes = [member.answer_class for member in search.pool]
    if isinstance(rules.grader, Grader):
        classes = await rules.grader.group(answers)
    scores = [member.score for member in search.pool]
    if rules.agg is not None:
        scores = [aggregate(rules.agg, search.path_scores[member.key], finished=True) for member in search.pool]
    weights = [member.weight for member in search.pool]
    voters = [Candidate(*each) for each in zip(classes, scores, weights, strict=True)]
    chosen = SELECTORS[rules.selector or search.selector](voters)
    return replace(
        search.row,
        answer=None if chosen is None else answers[chosen],
        grade="no_answer" if chosen is None else grades[chosen],
        selectors=Verdicts(verdicts(voters, grades)),
        right=sum([grade == "correct" for grade in grades]),
    )
