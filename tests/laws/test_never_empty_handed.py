"""No search ends without an answer where the model ends its solutions, whatever the limits."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import product

import pytest
from worlds import TapeGenerator, TellingPRM, run, scripted_space, sim_problem, sim_space, tape_space

from tt_scale.base_classes import Problem, Searcher, Step, StepRequest
from tt_scale.config import Config
from tt_scale.core.path import Path
from tt_scale.generator.simulated import World
from tt_scale.registry import BUILT_IN, searcher_class
from tt_scale.searcher.collective_backtrack import CollectiveBacktrack
from tt_scale.searcher.independent_backtrack import IndependentBacktrack
from tt_scale.space.search_space import SearchSpace

METHODS = sorted(BUILT_IN["searchers"])
HOPELESS = World(slip=(1.0,) * 5, repair=0.0)


def make(method: str, **keys: object) -> Searcher:
    return searcher_class(method).from_config(Config(method=method, **keys))


@pytest.mark.parametrize("max_steps", range(1, 9))
@pytest.mark.parametrize("method", METHODS)
def test_seven_steps_under_every_limit_of_steps(method: str, max_steps: int) -> None:
    """A search that reached `max_steps` threw its open paths away: eleven methods answered nothing at 6."""
    for number in range(4):
        for quality in (0.3, 0.9):
            space = sim_space(sim_problem(number, level=4, steps=7), quality=quality, max_steps=max_steps)
            outcome = run(make(method, max_steps=max_steps), space)
            assert any(space.answer(path) for path in outcome.pool), (number, quality)
            assert max(len(node.key) - 1 for node in space.nodes) <= max_steps


@pytest.mark.parametrize("method", ["collective", "independent"])
@pytest.mark.parametrize("tau", [0.0, 0.6, 1.0])
def test_retries_do_not_use_up_steps(method: str, tau: float) -> None:
    """`max_steps` counts the steps of a path: at 5 a chain of five steps is whole, however often a step was retried."""
    for number in range(6):
        space = sim_space(sim_problem(number), quality=0.2, max_steps=5)
        outcome = run(make(method, max_steps=5, tau=tau), space)
        assert outcome.pool
        assert all(len(path.steps) == 5 for path in outcome.pool)


@pytest.mark.parametrize("limit", [120, 150, 200, 300, 500, 900, 1500])
@pytest.mark.parametrize("method", METHODS)
def test_a_budget_for_one_solution_gives_an_answer(method: str, limit: int) -> None:
    """A search that spends its tokens on first steps has nothing to show for them."""
    for number in range(8):
        space = sim_space(sim_problem(number), max_generated_tokens=limit, max_tokens=120, k_tokens=24)
        outcome = run(make(method, max_tokens=120), space)
        assert outcome.pool, number
        assert space.usage.generated_tokens <= limit


@pytest.mark.parametrize(
    ("method", "max_tokens", "limit", "steps", "quality", "width", "number", "seed"),
    [
        ("power_backtrack", 78, 95, 3, 0.9, 1, 410, 7397),
        ("power_backtrack", 182, 228, 7, 0.9, 1, 141, 15188),
        ("power_backtrack", 174, 176, 7, 0.6, 1, 12, 17992),
        ("power_backtrack", 174, 204, 7, 0.6, 1, 122, 105),
        ("independent", 81, 82, 3, 0.9, 3, 206, 20900),
    ],
)
def test_a_return_to_a_shorter_path_leaves_an_answer(
    method: str, max_tokens: int, limit: int, steps: int, quality: float, width: int, number: int, seed: int
) -> None:
    """The rest of the budget covered the longest path, but not the prefix to which the method went back."""
    keys = {"max_tokens": max_tokens, "max_generated_tokens": limit, "k_tokens": 24, "max_steps": 30, "seed": seed}
    problem = sim_problem(number, level=1 + number % 5, steps=steps)
    space = sim_space(problem, quality=quality, **keys)
    outcome = run(make(method, N=width, max_branches=max(2, width), **keys), space)
    assert any(space.answer(path) for path in outcome.pool)
    assert space.usage.generated_tokens <= limit


@pytest.mark.parametrize("share", [1.0, 1.1, 1.3, 1.7])
@pytest.mark.parametrize("method", METHODS)
def test_a_limit_of_barely_one_solution(method: str, share: float) -> None:
    """`max_tokens` is as long as the longest solution of the world can be."""
    for number in range(6):
        keys = {"max_tokens": 5 * World().longest, "k_tokens": 48, "seed": number}
        space = sim_space(sim_problem(number), max_generated_tokens=int(share * 5 * World().longest), **keys)
        outcome = run(make(method, **keys), space)
        assert any(space.answer(path) for path in outcome.pool)


@pytest.mark.parametrize("method", METHODS)
def test_a_lookahead_does_not_spend_the_reserve(method: str) -> None:
    """What a look ahead draws is dropped; it must not take the tokens that a solution needs."""
    for number in range(8):
        space = sim_space(sim_problem(number), max_generated_tokens=200, max_tokens=120, k_tokens=24)
        assert run(make(method, max_tokens=120, lookahead=3), space).pool


class Silent(TapeGenerator):
    """Gives empty steps for ever."""

    async def generate(self, requests: Sequence[StepRequest]) -> list[Step]:
        await asyncio.sleep(0)
        self.rounds.append(list(requests))
        return [Step("", (), "stop", request.seed, request.sampling.temperature) for request in requests]


@pytest.mark.parametrize("method", METHODS)
def test_a_generator_that_says_nothing_ends(method: str) -> None:
    """Two methods waited for tokens that never came."""
    generator = Silent(["x"])
    config = Config(method=method, max_steps=6)
    space = SearchSpace(Problem("silent", "?", "0"), generator, TellingPRM(), config)
    if method == "deepconf":
        generator.most_logprobs = 20
    outcome = run(searcher_class(method).from_config(config), space)
    assert not outcome.pool
    assert len(generator.rounds) < 5_000


@pytest.mark.parametrize("agg", ["last", "prod", "min"])
def test_jumps_are_bounded_where_scores_fall_with_depth(agg: str) -> None:
    """The best rejected child is always a shallow one: a search by jumps alone would visit the whole tree."""
    space = sim_space(sim_problem(steps=7), world=HOPELESS, quality=0.9, agg=agg, max_steps=7)
    outcome = run(IndependentBacktrack(tau=1.0, max_steps=7, max_finished_branches=2), space)
    assert outcome.pool
    assert sum(event.kind == "jump" for event in space.events) <= 2 * 7 + 2


def test_steps_back_are_bounded() -> None:
    """Stepping back, going on and failing at the same place again is a circle without an end.

    First steps pass, second ones fail: back to the root and down again, three times, which is `max_steps`; then a jump.
    """
    tree = {(0, first): (0.9, "step") for first in range(10)}
    tree |= {(0, first, second): (0.1, "step") for first in range(10) for second in range(10)}
    tree |= {(0, *rest): (0.9, "end") for rest in product(range(10), repeat=3)}
    space = scripted_space(tree)
    searcher = CollectiveBacktrack(
        passing_minimum=1,
        max_total_branches=1,
        keeping_branches=1,
        max_backtracks=1,
        backtrack_depth=2,
        N=1,
        max_steps=3,
    )
    outcome = run(searcher, space)
    assert [path.key[:2] for path in outcome.pool] == [(0, 3)]
    assert sum(event.kind == "jump" for event in space.events) == 1


@pytest.mark.parametrize("method", METHODS)
def test_force_asks_for_an_answer(method: str) -> None:
    """Solutions that never end have no answer; the last resort asks for one, charges it and says so."""
    keys = {"max_tokens": 30, "max_steps": 4}
    bare = sim_space(**keys)
    outcome = run(make(method, **keys), bare)
    assert not outcome.pool
    space = sim_space(**keys, last_resort="force")
    outcome = run(make(method, **keys), space)
    [path] = outcome.pool
    assert path.forced
    assert space.answer(path)
    assert 0 < space.usage.generated_tokens - bare.usage.generated_tokens <= 32


def test_force_leaves_answers_alone() -> None:
    """Asked where an answer is there already, it would cost tokens for nothing."""
    one, other = sim_space(), sim_space(last_resort="force")
    run(make("beam_search"), one)
    run(make("beam_search"), other)
    assert one.usage.generated_tokens == other.usage.generated_tokens


def test_force_needs_tokens() -> None:
    """A budget that is spent is spent."""
    space = sim_space(max_tokens=30, max_generated_tokens=120, last_resort="force")
    outcome = run(make("best_of_n", max_tokens=30), space)
    assert not outcome.pool
    assert space.usage.generated_tokens == 120


def test_equal_siblings_are_drawn_once() -> None:
    """N greedy samples are one; the others cost nothing and still vote."""
    space = sim_space()
    [family] = asyncio.run(space.complete(space.roots(), 4, temperature=0.0))
    assert [child.text for child in family] == [family[0].text] * 4
    assert len({child.key for child in family}) == 4
    assert space.usage.generated_tokens == family[0].tokens
    assert space.usage.prm_calls == 1
    [again] = asyncio.run(space.complete(space.roots(), 1, temperature=0.0))
    assert again[0].text == family[0].text
    assert space.usage.generated_tokens == family[0].tokens


def test_an_unreadable_path_is_worth_nothing() -> None:
    """Its parent's score, which it kept, decided over parents in collective."""
    from tt_scale.base_classes import Scores

    class Short(TellingPRM):
        async def score(self, problem: Problem, paths: Sequence[Path]) -> list[Scores]:
            return [
                Scores((), tokens=1, too_long=True) if len(path.steps) > 1 else Scores((0.9,), tokens=1)
                for path in paths
            ]

    space, _ = tape_space(["a", "\n\n", "b", "\n\n", "c"], prm=Short())
    [[child]] = asyncio.run(space.expand(space.roots(), 1, temperature=0.7))
    [[below]] = asyncio.run(space.expand([child], 1, temperature=0.7))
    assert (child.score, below.state, below.score) == (0.9, "unreadable", 0.0)
