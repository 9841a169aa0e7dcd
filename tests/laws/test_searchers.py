"""Laws that hold for every search method, run over all of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest
from worlds import ScriptedGenerator, run, sim_problem, sim_space, tree_of

from tt_scale.base_classes import Searcher, Step, StepRequest
from tt_scale.bench.record import search_record
from tt_scale.config import Config
from tt_scale.core.seeds import derive_seed
from tt_scale.generator.simulated import World
from tt_scale.grading import Grader, extract_answer
from tt_scale.registry import BUILT_IN, searcher_class
from tt_scale.space.search_space import SearchSpace

METHODS = sorted(BUILT_IN["searchers"])
WHOLE = {"best_of_n", "deepconf", "greedy", "self_consistency"}  # they grow to the end at once
WORLDS = {
    "ordinary": World(),
    "blank": World(blank=0.4),
    "hopeless": World(slip=(1.0,) * 5, repair=0.0),
    "flawless": World(slip=(0.0,) * 5),
}
UNITS = {"delimiters": {}, "tokens": {"step_tokens": 30}}  # what ends a step


def make(method: str, **keys: object) -> Searcher:
    return searcher_class(method).from_config(Config(method=method, **keys))


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("world", WORLDS)
def test_pool_holds_finished_paths_only(method: str, world: str, unit: str) -> None:
    """Truncated steps taken for answers: only finished paths may vote, each once."""
    for number in range(5):
        space = sim_space(sim_problem(number), world=WORLDS[world], **UNITS[unit])
        outcome = run(make(method), space)
        assert all(path.is_finished for path in outcome.pool)
        assert len({path.key for path in outcome.pool}) == len(outcome.pool)
        assert {path.key for path in outcome.pool} <= {node.key for node in space.nodes}


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("limit", [1, 7, 40, 100, 333, 1000])
def test_never_above_the_budget(method: str, limit: int, unit: str) -> None:
    """A budget that is only looked at between rounds is passed by a whole round."""
    for number in range(5):
        space = sim_space(sim_problem(number), max_generated_tokens=limit, **UNITS[unit])
        outcome = run(make(method), space)
        assert space.usage.generated_tokens <= limit
        if outcome.stopped == "budget":
            assert space.exhausted or space._completing  # all paths were grown to their end with what was left
        if space.exhausted:
            assert space.usage.generated_tokens == limit


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("method", METHODS)
def test_same_seed_same_tree_at_any_concurrency(method: str, unit: str) -> None:
    """Randomness that depends on the order of arrival makes a run that nobody can repeat."""
    alone = []
    for number in range(6):
        space = sim_space(sim_problem(number), **UNITS[unit])
        run(make(method), space)
        alone.append(tree_of(space))

    async def together() -> list[object]:
        spaces = [sim_space(sim_problem(number), **UNITS[unit]) for number in range(6)]
        await asyncio.gather(*(make(method).search(space) for space in reversed(spaces)))
        return [tree_of(space) for space in spaces]

    assert asyncio.run(together()) == alone


@pytest.mark.parametrize("method", METHODS)
def test_other_seed_or_repeat_other_tree(method: str) -> None:
    """A repeat that draws the same samples again measures nothing."""
    trees = []
    for repeat, seed in [(0, 79), (1, 79), (0, 80)]:
        space = sim_space(repeat=repeat, seed=seed)
        run(make(method), space)
        trees.append([node.text for node in space.nodes])
    if method == "greedy":  # temperature 0: nothing is left to chance
        assert trees[0] == trees[1] == trees[2]
        return
    assert trees[0] != trees[1]
    assert trees[0] != trees[2]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("world", WORLDS)
def test_usage_adds_up(method: str, world: str, unit: str) -> None:
    """Tokens of dropped and retried children are forgotten in public baselines; every drawn id is charged here."""
    space = sim_space(world=WORLDS[world], **UNITS[unit])
    run(make(method), space)
    parents = {node.key: node for node in space.nodes}
    drawn = sum(
        node.tokens - (parents[node.key[:-1]].tokens if node.key[:-1] in parents else 0) for node in space.nodes
    )
    assert space.usage.generated_tokens == drawn
    assert space.usage.generator_calls >= len(space.nodes)
    assert space.usage.prm_calls == sum(1 for node in space.nodes if node.scores)


@pytest.mark.parametrize("method", METHODS)
def test_children_are_numbered_upwards_and_never_repeat(method: str) -> None:
    """A retry that starts from child 0 again draws the same samples and calls it another attempt."""
    space = sim_space(quality=0.3)
    run(make(method, tau=0.8), space)
    assert max(Counter(node.key for node in space.nodes).values()) == 1
    for node in space.nodes:
        assert node.steps[-1].seed == derive_seed(79, space.problem.id, node.key[:-1], node.key[-1])


@pytest.mark.parametrize("method", METHODS)
def test_every_score_is_of_a_step_and_blank_steps_have_none(method: str) -> None:
    """An empty last step that is scored drives the search in two public tools."""
    space = sim_space(world=WORLDS["blank"])
    run(make(method), space)
    for node in space.nodes:
        assert len(node.scores) == len(node.steps)
        assert all(step.text.strip() for step in node.steps)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("method", METHODS)
def test_finished_paths_are_never_grown(method: str, unit: str) -> None:
    """A finished path that stays in the frontier is answered twice."""
    space = sim_space(world=WORLDS["flawless"], **UNITS[unit])
    run(make(method), space)
    finished = {node.key for node in space.nodes if node.is_finished}
    assert not any(node.key[:-1] in finished for node in space.nodes)


@pytest.mark.parametrize("method", METHODS)
def test_everything_finishes_at_once(method: str) -> None:
    """A frontier that empties in one step must end the search, not fail it."""
    space = sim_space(sim_problem(steps=1), quality=1.0, world=WORLDS["flawless"])
    outcome = run(make(method), space)
    assert outcome.pool
    assert outcome.stopped in ("enough", "frontier")


@pytest.mark.parametrize("method", METHODS)
def test_nothing_ever_passes(method: str) -> None:
    """Where no step passes, a search moves on by jumps and still answers."""
    space = sim_space(quality=1.0, world=WORLDS["hopeless"], max_steps=200)
    outcome = run(make(method, max_steps=200, tau=1.0), space)
    assert outcome.pool


@pytest.mark.parametrize("method", METHODS)
def test_solution_limit_is_per_path(method: str) -> None:
    """A limit per step lets step searches write longer solutions than best-of-N may."""
    space = sim_space(max_tokens=30)
    outcome = run(make(method), space)
    assert all(node.tokens <= 30 for node in space.nodes)
    assert any(node.state == "truncated" for node in space.nodes)
    assert not outcome.pool  # five steps of at least eight tokens do not fit


@pytest.mark.parametrize("method", METHODS)
def test_a_failing_request_kills_one_path(method: str) -> None:
    """One bad request must not end a search, and a failed path must not vote."""

    class Flaky(ScriptedGenerator):
        pass

    space = sim_space()
    generate = space._generator.generate

    async def flaky(requests):  # type: ignore[no-untyped-def]
        steps = await generate(requests)
        from worlds import reworded

        return [reworded(step, ended="error", error="no") if step.seed % 5 == 0 else step for step in steps]

    space._generator.generate = flaky  # type: ignore[method-assign]
    outcome = run(make(method), space)
    assert all(path.is_finished for path in outcome.pool)
    assert any(node.state == "failed" for node in space.nodes) or not any(
        node.steps[-1].seed % 5 == 0 for node in space.nodes
    )


@pytest.mark.parametrize("method", METHODS)
def test_every_pool_can_be_voted_on_by_score(method: str) -> None:
    """`weighted` is for every method, not only for those whose own answer it is: sums of scores, by hand."""
    with Grader() as grader:
        for number in range(3):
            space = sim_space(sim_problem(number))
            outcome = run(make(method), space)
            record = asyncio.run(search_record(number, 0, space, outcome, "weighted", grader))
            sums: Counter[str] = Counter()
            weights = outcome.weights or [path.score for path in outcome.pool]
            for path, weight in zip(outcome.pool, weights, strict=True):
                answer = extract_answer(path.text)
                assert answer is not None
                sums[answer] += weight
            assert record["answer"] == max(sums, key=lambda answer: sums[answer])
            assert record["selectors"]["weighted"][str(len(outcome.pool))] == record["grade"]


@pytest.mark.parametrize("method", METHODS)
def test_warm_up_and_limits_of_steps(method: str) -> None:
    """`warmup` doubles the first step and nothing else; only whole solutions are asked for without these limits."""
    space: SearchSpace = sim_space(world=World(shortest=50, longest=50), k_tokens=20, warmup=True)
    asked: list[StepRequest] = []
    generate = space._generator.generate

    async def noting(requests: Sequence[StepRequest]) -> list[Step]:
        asked.extend(requests)
        return await generate(requests)

    space._generator.generate = noting  # type: ignore[method-assign]
    run(make(method), space)
    prompt = len(space._prompt)
    steps = [request for request in asked if request.stop]
    assert bool(steps) == (method not in WHOLE)
    for request in steps:
        assert request.max_tokens <= (40 if len(request.ids) == prompt else 20)


@pytest.mark.parametrize("method", METHODS)
def test_steps_of_a_fixed_length_are_that_long(method: str) -> None:
    """Whole solutions and grown ones under other cuts; a last step is all that may be shorter."""
    space = sim_space(step_tokens=30)
    outcome = run(make(method), space)
    assert outcome.pool
    for node in space.nodes:
        assert all(len(step.ids) == 30 for step in node.steps[:-1])
        assert 1 <= len(node.steps[-1].ids) <= 30
        assert node.steps[-1].ended == "eos" or (node.steps[-1].ended, len(node.steps[-1].ids)) == ("stop", 30)
