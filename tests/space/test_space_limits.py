"""Limits that the space keeps for every method: step, solution, context and budget."""

from __future__ import annotations

import asyncio
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import TapeGenerator, TellingPRM, run, sim_problem, sim_space, tape_space

from tt_scale.base_classes import Generator, Problem, Scores, Step, StepRequest
from tt_scale.config import Config
from tt_scale.core.path import Path
from tt_scale.errors import GeneratorError, PRMError
from tt_scale.registry import searcher_class
from tt_scale.space.rounds import LEAST_CHUNK, chunks
from tt_scale.space.search_space import SearchSpace


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


async def test_a_limit_that_cannot_bind_changes_nothing() -> None:
    """Chunks are drawn anew by an engine: a limit that is never reached must not move a tree."""
    for most in (None, 8 * 20):
        space, generator = tape_space(["a\n\n"] * 19, max_tokens=20, k_tokens=4, max_generated_tokens=most)
        [solutions] = await space.complete(space.roots(), 8, temperature=0.7)
        assert limits(generator) == [[20] * 8]
        assert len(solutions) == 8


async def test_children_are_drawn_in_rounds_of_chunks() -> None:
    """Reserving whole limits serialised a wave: 64 solutions of 80 tokens took 48 requests of 1.3 at a time.

    700 tokens for eight solutions of 80, each of which might need 400: the first is given all that it may need, the
    others share half of the rest; once it is known how long a solution is, they go on together.
    """
    space, generator = tape_space(["a"] * 79, max_tokens=400, max_generated_tokens=700)
    [solutions] = await space.complete(space.roots(), 8, temperature=0.7)
    assert limits(generator) == [[400, *[32] * 5], [*[56] * 5, 88, 88]]
    assert [(child.state, child.tokens) for child in solutions] == [("finished", 80)] * 8
    assert [child.text for child in solutions] == ["a" * 79] * 8
    assert space.usage.generated_tokens == 8 * 80


async def test_the_first_children_are_finished_where_tokens_do_not_suffice() -> None:
    """Tokens shared evenly over all would leave every solution unfinished."""
    space, _ = tape_space(["a"] * 79, max_tokens=400, max_generated_tokens=400)
    [solutions] = await space.complete(space.roots(), 8, temperature=0.7)
    states = [child.state for child in solutions]
    assert states[:3] == ["finished"] * 3
    assert set(states[3:]) <= {"finished", "truncated"}
    assert space.usage.generated_tokens == 400
    assert space.exhausted


async def test_a_step_that_chunks_cut_in_two_is_one_step() -> None:
    """A delimiter of two tokens, one in each chunk, and what the second chunk says behind it."""
    tape = ["a"] * 31 + ["\n", "\n", "b", "c"]
    space, generator = tape_space(tape, max_tokens=60, k_tokens=40, max_generated_tokens=60 + 3 * 39)
    families = await space.expand(space.roots(4), 1, temperature=0.7)
    assert len(generator.rounds) > 1
    children = [child for family in families for child in family]
    assert len(children) == 3  # the fourth would have had to begin in what is kept for a whole solution
    for child in children:
        assert [step.text for step in child.steps] == ["a" * 31 + "\n\n"]
        assert child.is_open
        assert child.ids == tuple(range(33))


async def test_paths_are_completed_where_a_step_would_leave_too_little() -> None:
    """The best path is grown to its end while the budget surely covers it, then the next best."""
    prm = TellingPRM(lambda text: 0.5)
    space, generator = tape_space(["a\n\n"] * 9, prm=prm, max_tokens=10, k_tokens=4, max_generated_tokens=24)
    paths = space.roots(3)
    while all(path.is_open for path in paths):
        paths = [child for family in await space.expand(paths, 1, temperature=0.7) for child in family]
    assert limits(generator) == [[4, 4, 4]] * 4 + [[6, 6]]  # 12 tokens are left, 6 of them for the best path
    assert [path.state for path in paths] == ["finished", "finished"]
    assert space.usage.generated_tokens == 24


@given(
    wanted=st.lists(st.integers(1, 300), min_size=1, max_size=12),
    left=st.integers(1, 1500),
    longest=st.sampled_from([0, 20, 90]),
    lead=st.booleans(),
    reserve=st.integers(0, 400),
)
def test_chunks(wanted: list[int], left: int, longest: int, lead: bool, reserve: int) -> None:
    """Shares above the budget pass it; shares of a few tokens cost more in prompts than they save."""
    given = chunks(wanted, [0] * len(wanted), left, longest, lead=lead, reserve=reserve)
    assert sum(given) <= left
    assert all(0 <= one <= most for one, most in zip(given, wanted, strict=True))
    others = given[1:] if lead else given
    small = [one for one, most in zip(others, wanted[int(lead) :], strict=True) if 0 < one < min(most, LEAST_CHUNK)]
    assert len(small) <= 1  # what is left in the end goes to the first of all
    if lead:
        assert given[0] == min(wanted[0], left)
    if sum(wanted) + reserve <= left:
        assert given == wanted
    if not reserve:
        assert any(given)


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
    with pytest.raises(GeneratorError, match="returned 4 tokens; 3"):
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


@pytest.mark.parametrize("method", ["rebase", "beam_search", "particle_filter"])
def test_a_limit_that_suffices_leaves_the_waves_whole(method: str) -> None:
    """64 children went out 1.3 at a time; at 1.2 x the need there are at most 1.25 x the rounds without a limit."""

    def rounds(limit: int | None) -> tuple[float, float]:
        counted, tokens = [], []
        for number in range(6):
            space = sim_space(sim_problem(number, level=1 + number % 5), max_generated_tokens=limit)
            asked: list[int] = []
            generate = space._generator.generate

            async def counting(requests: list[StepRequest]) -> list[Step]:
                asked.append(len(requests))  # noqa: B023 - used up before the next problem
                return await generate(requests)  # noqa: B023

            space._sampler._generator.generate = counting  # type: ignore[method-assign,assignment]
            config = Config(method=method, N=64, max_total_branches=64)
            run(searcher_class(method).from_config(config), space)
            counted.append(len(asked))
            tokens.append(space.usage.generated_tokens)
        return fmean(counted), fmean(tokens)

    free, need = rounds(None)
    limited, _ = rounds(int(1.2 * need))
    assert limited <= 1.25 * free
