"""A score that was given once is not computed again, whoever asks and however the solution is cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tt_scale.base_classes import Problem, Scores, Step
from tt_scale.config import Config
from tt_scale.path import Path
from tt_scale.prm import rows
from tt_scale.prm.adapter import Reading
from tt_scale.prm.rows import RowPRM

ONE, OTHER = Problem("1", "What is 1 + 1?", "2"), Problem("2", "What is 2 + 2?", "4")


@dataclass
class Letters:
    """Reads characters; a place stands behind each step."""

    finished_only: bool = False

    def read(self, problem: Problem, path: Path) -> Reading:
        texts = [problem.question, *[step.text for step in path.steps]]
        ends = [sum([len(text) for text in texts[: end + 1]]) - 1 for end in range(1, len(texts))]
        due = ends[-1:] if self.finished_only else ends[len(path.scores) :]
        return Reading(tuple(map(ord, "".join(texts))), tuple(due))


class Counting(RowPRM):
    """Scores a place by all that stands before it, and remembers what it was given."""

    def __init__(self, adapter: Letters, context: int = 1000) -> None:
        super().__init__(Config())
        self.adapter = adapter  # type: ignore[assignment]
        self.context = context
        self.asked: list[Reading] = []

    async def answers(self, readings: Sequence[Reading]) -> list[Scores]:
        self.asked += readings
        return [
            Scores(tuple([sum(each.ids[: end + 1]) % 997 / 997 for end in each.positions]), len(each.ids), 3)
            for each in readings
        ]


def path(*texts: str, known: tuple[float, ...] = (), **changes: Any) -> Path:
    return replace(Path((0,), tuple([Step(text, (1,), "stop") for text in texts]), known), **changes)


async def fresh(problem: Problem, asked: Path) -> tuple[float, ...]:
    [found] = await Counting(Letters()).score(problem, [asked])
    return found.values


async def test_the_same_steps_are_read_once() -> None:
    """Of twins in one call the first pays, and a later call pays nothing."""
    prm = Counting(Letters())
    twins = [path("a", "b"), path("a", "b"), path("a", "c")]
    first, second, third = await prm.score(ONE, twins)
    assert len(prm.asked) == 2
    assert first.values == second.values == await fresh(ONE, twins[0])
    assert third.values == await fresh(ONE, twins[2])
    assert (first.cached, second.cached, second.flops) == (3, second.tokens, 0.0)
    assert await prm.score(ONE, twins) == [second, second, replace(third, cached=third.tokens, flops=0.0)]
    assert len(prm.asked) == 2


async def test_whole_solutions_use_what_steps_were_given() -> None:
    """A causal model says the same of a step, whatever follows: only what nobody has scored is read."""
    prm = Counting(Letters())
    [step] = await prm.score(ONE, [path("a")])
    [whole] = await prm.score(ONE, [path("a", "b", "c")])
    assert prm.asked[-1].positions == Letters().read(ONE, path("a", "b", "c", known=step.values)).positions
    assert whole.values == await fresh(ONE, path("a", "b", "c"))
    [again] = await prm.score(ONE, [path("a", "b", known=step.values)])
    assert again.values == whole.values[1:2]
    assert again.cached == again.tokens
    assert len(prm.asked) == 2


async def test_another_question_is_another_matter() -> None:
    """The same words answer one question rightly and another wrongly."""
    prm = Counting(Letters())
    values = {(await prm.score(problem, [path("a")]))[0].values for problem in (ONE, OTHER)}
    assert len(values) == 2


async def test_what_is_too_long_stays_too_long() -> None:
    """A state of the path, not a score; the next one is asked again."""
    prm = Counting(Letters(), context=16)
    for _ in range(2):
        long, short, twin = await prm.score(ONE, [path("a" * 9), path("a"), path("a" * 9)])
        assert long.too_long
        assert twin.too_long
        assert short.values == await fresh(ONE, path("a"))


async def test_one_verdict_on_a_whole_solution() -> None:
    """What reads finished paths only has no scores of single steps to share."""
    prm = Counting(Letters(finished_only=True))
    asked = [path("a", "b", state="finished"), path("a", state="open"), path("ab", state="finished")]
    whole, still, joined = await prm.score(ONE, asked)
    assert len(prm.asked) == 2
    assert whole.values == (0.5, joined.values[0])
    assert still.values == (0.5,)
    assert (await prm.score(ONE, asked))[0] == replace(whole, cached=whole.tokens, flops=0.0)
    assert len(prm.asked) == 2


async def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run over a million problems must not remember them all."""
    monkeypatch.setattr(rows, "MOST_KNOWN", 3)
    prm = Counting(Letters())
    for text in "abcd":
        await prm.score(ONE, [path(text, "x")])
    assert len(prm._known) == 3
    [found] = await prm.score(ONE, [path("a", "x")])
    assert found.values == await fresh(ONE, path("a", "x"))
