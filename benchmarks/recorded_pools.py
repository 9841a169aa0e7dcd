"""Pools of recorded samples, graded once: what `aggregates.py` and `real_prms.py` count over.

Answers are extracted, grouped and graded as in a run over the same file (`--generator recorded`): these programs and a
run give the same numbers. What they save is the tree of every search.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from tt_scale.core.aggregate import aggregate
from tt_scale.core.final_answer import AnswerRule, FinalAnswer
from tt_scale.core.selection import SELECTORS, Candidate, oracle
from tt_scale.errors import TTScaleError
from tt_scale.grading import Grader
from tt_scale.problems.recorded import RecordedSet, read_recorded

__all__ = ["BLIND", "SEEING", "Pool", "Replay", "graded", "graded_sets"]

BLIND = ("majority", "first")
"""Selectors that look at no score."""
SEEING = ("best", "weighted")


@dataclass(frozen=True)
class Pool:
    """The samples of one problem.

    Attributes:
        classes: of their answers [samples].
        ours: whether our grader calls each right [samples].
        theirs: whether the source calls each right; None where it does not say [samples].
        scores: PRM -> scores of the steps [samples][steps].
    """

    classes: Sequence[int]
    ours: Sequence[bool]
    theirs: Sequence[bool | None]
    scores: Mapping[str, Sequence[Sequence[float]]]

    def chosen(self, selector: str, agg: str = "last", prm: str | None = None, first: int | None = None) -> int | None:
        """The sample that a selector picks among the first ones; None if it picks none."""
        values = self._values(agg, prm) if prm else [0.0] * len(self.classes)
        return SELECTORS[selector](
            [Candidate(number, value) for number, value in zip(self.classes[:first], values[:first], strict=True)]
        )

    def _values(self, agg: str, prm: str) -> Sequence[float]:
        known: dict[tuple[str, str], list[float]] = self.__dict__.setdefault("_aggregates", {})
        if (agg, prm) not in known:
            known[agg, prm] = [aggregate(agg, steps, finished=True) for steps in self.scores[prm]]
        return known[agg, prm]

    def verdicts(self, source: bool) -> Sequence[bool]:
        """Verdicts of the source, or ours [samples]."""
        return [bool(each) for each in self.theirs] if source else self.ours


@dataclass(frozen=True)
class Replay:
    """The pools of one file.

    Attributes:
        file: its name, without the folder.
        found: the set that was read.
        rule: where its solutions state their answer.
        pools: one for each problem [problems].
    """

    file: str
    found: RecordedSet
    rule: AnswerRule
    pools: Sequence[Pool]

    @property
    def prms(self) -> list[str]:
        """The PRMs that scored it."""
        return self.found.prms

    @property
    def samples(self) -> int:
        """Of each problem, at most."""
        return max([len(pool.ours) for pool in self.pools])

    @property
    def judged(self) -> bool:
        """Whether the source gives a verdict on every sample."""
        return all(verdict is not None for pool in self.pools for verdict in pool.theirs)

    @cached_property
    def steps(self) -> float:
        """Scores of a solution, on average."""
        counts = [len(each) for pool in self.pools for each in pool.scores[self.prms[0]]]
        return sum(counts) / len(counts)

    def one_sample(self, source: bool = False) -> float:
        """Share of right samples, averaged over problems."""
        shares = [sum(verdicts) / len(verdicts) for verdicts in self._verdicts(source)]
        return sum(shares) / len(shares)

    def ceiling(self, source: bool = False, first: int | None = None) -> float:
        """Share of problems of which one of the first samples is right."""
        return sum([oracle(verdicts[:first]) is not None for verdicts in self._verdicts(source)]) / len(self.pools)

    def rights(
        self,
        selector: str,
        agg: str = "last",
        prm: str | None = None,
        *,
        first: int | None = None,
        source: bool = False,
    ) -> list[bool]:
        """Whether the selected answer is right [problems].

        Args:
            selector: name of a selector.
            agg: aggregate of the step scores.
            prm: whose scores; None for a selector that looks at none.
            first: samples of each problem; None for all.
            source: by the verdicts of the source instead of ours.
        """
        chosen = [pool.chosen(selector, agg, prm, first) for pool in self.pools]
        verdicts = self._verdicts(source)
        return [index is not None and own[index] for index, own in zip(chosen, verdicts, strict=True)]

    def _verdicts(self, source: bool) -> Iterator[Sequence[bool]]:
        return iter([pool.verdicts(source) for pool in self.pools])


async def graded(path: str, rule: AnswerRule | None, grader: Grader) -> Replay:
    """Read a file of recorded samples, group its answers and judge them.

    Args:
        path: of the file.
        rule: where answers are stated, if the file does not say; None is in a box.
        grader: open.

    Raises:
        SystemExit: it cannot be read, or has no scores.
    """
    try:
        found = read_recorded(path)
    except TTScaleError as error:
        raise SystemExit(str(error)) from None
    if not found.prms or any(set(each.scores) != set(found.prms) for own in found.samples.values() for each in own):
        raise SystemExit(f"{path!r} does not hold scores of every sample by every PRM.")
    rule = found.header.answer_rule or rule or "boxed"
    pools = await asyncio.gather(*[_pool(found, each.id, each.answer, rule, grader) for each in found.problems])
    return Replay(os.path.basename(path), found, rule, pools)


async def _pool(found: RecordedSet, problem: str, gold: str, rule: AnswerRule, grader: Grader) -> Pool:
    samples = found.samples[problem]
    finder = FinalAnswer(rule=rule)
    answers = [finder.of(sample.text) for sample in samples]
    grades = await grader.grade_many(gold, answers)
    return Pool(
        await grader.group(answers),
        [grade == "correct" for grade in grades],
        [sample.correct for sample in samples],
        {prm: [sample.scores[prm] for sample in samples] for prm in found.prms},
    )


async def graded_sets(files: Sequence[tuple[str, AnswerRule | None]]) -> list[Replay]:
    """Read and judge files one after the other, with one grader."""
    with Grader(seconds=30.0) as grader:
        return [await graded(path, rule, grader) for path, rule in files]
