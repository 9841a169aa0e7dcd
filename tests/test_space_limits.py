"""Limits that the space keeps for every method: step, solution, context and budget."""

from __future__ import annotations

import asyncio

import pytest
from worlds import TapeGenerator, TellingPRM, tape_space

from tt_scale.base_classes import Generator, Problem, Scores, Step, StepRequest
from tt_scale.config import Config
from tt_scale.errors import GeneratorError, PRMError
from tt_scale.path import Path
from tt_scale.space import SearchSpace


def limits(generator: TapeGenerator) -> list[list[int]]:
    """`max_tokens` of every request, round by round."""
    return [[request.max_tokens for request in requests] for requests in generator.rounds]


async def walk(space: SearchSpace) -> Path:
    path = space.roots()[0]
    while path.is_open:
        assert space.expansions < 50, "a path grows for ever"
        [[path]] = await space.expand([path], temperature=0.7)
    return path


@pytest.mark.parametrize(("warmup", "expected"), [(False, [[3], [3], [3]]), (True, [[6], [3]])])
async def test_steps_have_k_tokens_and_warmup_doubles_the_first(warmup: bool, expected: list[list[int]]) -> None:
    """A warm-up that doubles every step, or none."""
    space, generator = tape_space(["a"] * 7, k_tokens=3, warmup=warmup)
    await walk(space)
    assert limits(generator) == expected


async def test_max_tokens_limits_a_path_not_a_step() -> None:
    """Step searches that may write longer solutions than best-of-N."""
    space, generator = tape_space(["a"] * 20, k_tokens=4, max_tokens=10)
    path = await walk(space)
    assert limits(generator) == [[4], [4], [2]]
    assert (path.state, path.tokens) == ("truncated", 10)


async def test_complete_continues_under_the_same_limit() -> None:
    """A path that was grown step by step and then completed may not be longer than one that was drawn whole."""
    space, generator = tape_space(["a"] * 20, k_tokens=4, max_tokens=10)
    [[path]] = await space.expand(space.roots(), temperature=0.7)
    [[whole]] = await space.complete([path], temperature=0.7)
    assert limits(generator) == [[4], [6]]
    assert (whole.state, whole.tokens) == ("truncated", 10)


async def test_a_path_that_is_full_at_a_delimiter_is_truncated() -> None:
    """A path left open with no token to spare: the next request would ask for none, or for one too many."""
    space, _ = tape_space(["a", "\n\n", "b"], max_tokens=2)
    [[path]] = await space.expand(space.roots(), temperature=0.7)
    assert path.state == "truncated"


async def test_an_answer_in_the_last_token_is_finished() -> None:
    """An answer that just fits thrown away as truncated."""
    space, _ = tape_space(["a\n\n", "\\boxed{5}\n\n", "b"], max_tokens=2)
    assert (await walk(space)).state == "finished"
    space, _ = tape_space(["a\n\n", "b"], max_tokens=3)
    assert (await walk(space)).state == "finished"
    space, _ = tape_space(["a\n\n", "\\boxed{5}\n\n", "b"], max_tokens=2)
    [[whole]] = await space.complete(space.roots(), temperature=0.7)
    assert (whole.state, whole.steps[-1].ended) == ("finished", "stop")


@pytest.mark.parametrize("verb", ["expand", "complete"])
async def test_the_context_ends_a_path_as_context(verb: str) -> None:
    """No room left told as "length": the reader would raise max_tokens, in vain."""
    space, generator = tape_space(["a"] * 20, context=8, k_tokens=100)
    [[path]] = await getattr(space, verb)(space.roots(), temperature=0.7)
    assert limits(generator) == [[7]]  # the prompt has one token
    assert (path.state, path.steps[-1].ended) == ("truncated", "context")


async def test_a_step_limit_inside_the_context_is_length() -> None:
    """Every long step told as a full context."""
    space, _ = tape_space(["a"] * 20, context=8, k_tokens=3)
    [[path]] = await space.expand(space.roots(), temperature=0.7)
    assert (path.state, path.steps[-1].ended) == ("open", "length")


@pytest.mark.parametrize("length", [8, 9, 50])
def test_a_prompt_that_fills_the_context_is_an_error(length: int) -> None:
    """One over-long prompt that fails the whole batch inside the engine."""

    class Long(TapeGenerator):
        def prompt(self, problem: Problem, system_prompt: str) -> tuple[int, ...]:
            return (-1,) * length

    with pytest.raises(GeneratorError, match=f"{length} tokens"):
        SearchSpace(Problem("p", "?", "0"), Long(["a"], context=8), None, Config())


async def test_a_budget_is_spent_in_waves_that_it_covers() -> None:
    """A budget that is only looked at between rounds is passed by a whole round.

    ten tokens, steps of at most four: two children surely fit, the third is cut to what is left, no fourth is drawn
    """
    space, generator = tape_space(["a"] * 20, k_tokens=4, max_generated_tokens=10)
    [children] = await space.expand(space.roots(), 4, temperature=0.7)
    assert limits(generator) == [[4, 4], [2]]
    assert [(child.state, child.tokens) for child in children] == [("open", 4), ("open", 4), ("truncated", 2)]
    assert space.usage.generated_tokens == 10
    assert space.exhausted


async def test_what_a_wave_did_not_spend_is_left_for_the_next() -> None:
    """A budget charged with limits instead of tokens: half of it would never be used."""
    space, generator = tape_space(["a\n\n", *["b"] * 20], k_tokens=4, max_generated_tokens=10)
    [children] = await space.expand(space.roots(), 8, temperature=0.7)
    assert [child.tokens for child in children] == [1] * 8
    assert limits(generator) == [[4, 4], [4, 4], [4], [4], [4], [3]]  # 10, 8, 6, 5, 4, 3 tokens were left
    assert not space.exhausted


async def test_searches_within_a_problem_share_its_budget() -> None:
    """Two growths at once that both think the whole budget is theirs."""
    space, _ = tape_space(["a"] * 50, k_tokens=6, max_generated_tokens=20)
    await asyncio.gather(*(space.expand([root], 2, temperature=0.7) for root in space.roots(4)))
    assert space.usage.generated_tokens == 20


async def test_a_child_cut_by_the_budget_alone_is_truncated() -> None:
    """A path that the budget cut, left open: it would be pruned as a bad one instead of counted as cut."""
    space, _ = tape_space(["a"] * 50, max_generated_tokens=5)
    [[child]] = await space.expand(space.roots(), temperature=0.7)
    assert (child.state, child.steps[-1].ended, space.exhausted) == ("truncated", "length", True)
    assert await space.expand(space.roots(), temperature=0.7) == [[]]


@pytest.mark.parametrize("limit", [{"max_prm_tokens": 2}, {"max_seconds": 1e-9}])
async def test_prm_tokens_and_seconds_are_limits_too(limit: dict[str, float]) -> None:
    """Budgets accepted and ignored."""
    space, _ = tape_space(["a\n\n", "b\n\n", "c\n\n"], **limit)
    roots = space.roots()
    families = [await space.expand(roots, 2, temperature=0.7) for _ in range(3)]
    drawn = sum(len(family) for [family] in families)
    assert drawn == (2 if "max_prm_tokens" in limit else 0)
    assert space.exhausted


class FixedPRM(TellingPRM):
    def __init__(self, values: list[float], verdicts: int = 1) -> None:
        super().__init__()
        self.verdict = [Scores(tuple(values))] * verdicts

    async def score(self, problem: Problem, paths: object) -> list[Scores]:
        return self.verdict


@pytest.mark.parametrize("values", [[], [0.5, 0.5], [float("nan")], [1.2], [-0.1], [float("inf")]])
async def test_a_prm_that_answers_nonsense_is_an_error(values: list[float]) -> None:
    """A missing score shifts all others by one step; NaN compares as false and prunes nothing."""
    space, _ = tape_space(["a\n\n", "b"], prm=FixedPRM(values))
    with pytest.raises(PRMError):
        await space.expand(space.roots(), temperature=0.7)


@pytest.mark.parametrize("value", [0.0, 1.0])
async def test_the_ends_of_the_scale_are_scores(value: float) -> None:
    """A perfect score refused."""
    space, _ = tape_space(["a\n\n", "b"], prm=FixedPRM([value]))
    [[child]] = await space.expand(space.roots(), temperature=0.7)
    assert child.score == value


class Tampered(TapeGenerator):
    """Gives what a function makes of the honest steps."""

    def __init__(self, change: object) -> None:
        super().__init__(["a"] * 20)
        self.change = change

    async def generate(self, requests: list[StepRequest]) -> list[Step]:  # type: ignore[override]
        return self.change(await super().generate(requests))  # type: ignore[operator,no-any-return]


def over(generator: Generator, **keys: object) -> SearchSpace:
    return SearchSpace(Problem("p", "?", "0"), generator, TellingPRM(), Config(**keys))


async def test_a_generator_that_passes_its_limit_is_an_error() -> None:
    """An engine that ignores max_tokens breaks every budget without a word."""
    generator = Tampered(lambda steps: [Step("aaaa", (0, 1, 2, 3), "length")] * len(steps))
    with pytest.raises(GeneratorError, match="4 tokens where 3"):
        await over(generator, k_tokens=3).expand([Path(key=(0,))], temperature=0.7)


@pytest.mark.parametrize("culprit", ["generator", "prm"])
async def test_answers_that_do_not_match_the_questions_are_errors(culprit: str) -> None:
    """A third-party backend that loses an answer ends in "zip() argument 2 is shorter", which helps nobody."""
    if culprit == "generator":
        space, error = over(Tampered(lambda steps: steps[:-1])), GeneratorError
    else:
        space, error = tape_space(["a\n\n", "b"], prm=FixedPRM([0.5], verdicts=1))[0], PRMError
    with pytest.raises(error):
        await space.expand(space.roots(), 2, temperature=0.7)
