"""A score that was given once is not computed again, whoever asks and however the solution is cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tt_scale.base_classes import Problem, Scores, Step
from tt_scale.config import Config
from tt_scale.core.path import Path
from tt_scale.prm import score_cache as remembered
from tt_scale.prm.adapters.base import ScoringInput
from tt_scale.prm.score_cache import CachedPRM
from tt_scale.prm.token_prm import TokenPRM

ONE, OTHER = Problem("1", "What is 1 + 1?", "2"), Problem("2", "What is 2 + 2?", "4")


@dataclass
class Letters:
    """Reads characters; a place stands behind each step."""

    finished_only: bool = False

    def read(self, problem: Problem, path: Path) -> ScoringInput:
        texts = [problem.question, *[step.text for step in path.steps]]
        ends = [sum([len(text) for text in texts[: end + 1]]) - 1 for end in range(1, len(texts))]
        due = ends[-1:] if self.finished_only else ends[len(path.scores) :]
        return ScoringInput(tuple(map(ord, "".join(texts))), tuple(due))


class Counting(TokenPRM):
    """Scores a place by all that stands before it, and remembers what it was given."""

    def __init__(self, adapter: Letters, context: int = 1000, noise: float = 0.0) -> None:
        super().__init__(Config())
        self.adapter = adapter  # type: ignore[assignment]
        self.context = context
        self.noise = noise
        self.asked: list[ScoringInput] = []

    async def score_inputs(self, inputs: Sequence[ScoringInput]) -> list[Scores]:
        self.asked += inputs
        return [
            Scores(
                tuple([sum(each.ids[: end + 1]) % 997 / 1000 + self.noise for end in each.positions]), len(each.ids), 3
            )
            for each in inputs
        ]


def path(*texts: str, known: tuple[float, ...] = (), **changes: Any) -> Path:
    return replace(Path((0,), tuple([Step(text, (1,), "stop") for text in texts]), known), **changes)


async def fresh(problem: Problem, asked: Path) -> tuple[float, ...]:
    [found] = await Counting(Letters()).score(problem, [asked])
    return found.values


def remembering(**changes: Any) -> tuple[CachedPRM, list[ScoringInput]]:
    """One, and what the PRM behind it was given."""
    inner = Counting(**{"adapter": Letters(), **changes})
    return CachedPRM(inner), inner.asked


async def test_the_same_steps_are_read_once() -> None:
    """Of twins in one call the first pays, and a later call pays nothing."""
    prm, asked = remembering()
    twins = [path("a", "b"), path("a", "b"), path("a", "c")]
    first, second, third = await prm.score(ONE, twins)
    assert len(asked) == 2
    assert first.values == second.values == await fresh(ONE, twins[0])
    assert third.values == await fresh(ONE, twins[2])
    assert (first.cached, second.cached, second.flops) == (3, second.tokens, 0.0)
    assert await prm.score(ONE, twins) == [second, second, replace(third, cached=third.tokens, flops=0.0)]
    assert len(asked) == 2


async def test_whole_solutions_use_what_steps_were_given() -> None:
    """A causal model says the same of a step, whatever follows: only what nobody has scored is read."""
    prm, asked = remembering()
    [step] = await prm.score(ONE, [path("a")])
    [whole] = await prm.score(ONE, [path("a", "b", "c")])
    assert asked[-1].positions == Letters().read(ONE, path("a", "b", "c", known=step.values)).positions
    assert whole.values == await fresh(ONE, path("a", "b", "c"))
    assert len(asked) == 2


async def test_what_it_counts_does_not_depend_on_what_ran_before() -> None:
    """A second method on the same problems would look cheaper than the first."""
    prm, asked = remembering()
    await prm.score(ONE, [path("a", "b", "c")])
    for ends in (1, 2, 3):
        due = path(*"abc"[:ends], known=(0.5,) * (ends - 1))
        [again] = await prm.score(ONE, [due])
        [plain] = await Counting(Letters()).score(ONE, [due])
        assert again == replace(plain, cached=plain.tokens, flops=0.0)
    assert len(asked) == 1


async def test_paths_that_lack_more_or_fewer_scores_of_the_same_steps() -> None:
    """They are asked about in one call, and each gets as many as it lacks."""
    prm, _ = remembering()
    both = await prm.score(ONE, [path("a", "b", known=(0.1,)), path("a", "b")])
    assert [each.values for each in both] == [(await fresh(ONE, path("a", "b")))[1:], await fresh(ONE, path("a", "b"))]


@pytest.mark.parametrize("finished_only", [False, True])
async def test_last_digits_do_not_reach_the_tree(finished_only: bool) -> None:
    """They depend on what shares a batch; in another order of siblings a search takes another turn."""
    found = []
    for noise in (0.0, 2e-7, -2e-7):
        prm, _ = remembering(adapter=Letters(finished_only), noise=noise)
        whole = [path(text, "x", state="finished") for text in "abc"]
        found.append([scores.values for scores in await prm.score(ONE, whole)])
    assert found[0] == found[1] == found[2]
    assert len(set(found[0])) == 3


async def test_another_question_is_another_matter() -> None:
    """The same words answer one question rightly and another wrongly."""
    prm, _ = remembering()
    values = {(await prm.score(problem, [path("a")]))[0].values for problem in (ONE, OTHER)}
    assert len(values) == 2


async def test_what_is_too_long_stays_too_long() -> None:
    """A state of the path, not a score, also where its first steps have one; the next one is asked again."""
    prm, _ = remembering(context=23)
    for _ in range(2):
        long, short, twin = await prm.score(ONE, [path("a", "b" * 9), path("a"), path("a", "b" * 9)])
        assert (long.values, long.too_long) == (twin.values, twin.too_long) == ((), True)
        assert short.values == await fresh(ONE, path("a"))


async def test_what_reads_whole_solutions_is_asked_every_time() -> None:
    """Its verdicts are not about single steps."""
    prm, asked = remembering(adapter=Letters(finished_only=True))
    paths = [path("a", "b", state="finished"), path("a", state="open"), path("ab", state="finished")]
    for count in (2, 4):
        whole, still, joined = await prm.score(ONE, paths)
        assert len(asked) == count
        assert whole.values == (0.5, joined.values[0])
        assert still.values == (0.5,)


async def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run over a million problems must not remember them all; what goes while others are asked is still theirs."""
    monkeypatch.setattr(remembered, "MAX_CACHED_SCORES", 1)
    prm, _ = remembering()
    for text in "abcd":
        [found] = await prm.score(ONE, [path(text, "x")])
        assert found.values == await fresh(ONE, path(text, "x"))
    assert len(prm._cache) == 1
    both = await prm.score(ONE, [path("d", "x"), path("e", "y")])
    assert [each.values for each in both] == [await fresh(ONE, path("d", "x")), await fresh(ONE, path("e", "y"))]
