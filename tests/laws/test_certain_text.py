"""What a follower is told is the beginning of the answer, whatever the search does next."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from worlds import sim_problem, sim_space, tree_of

from tt_scale.config import Config
from tt_scale.core.path import Outcome, Path
from tt_scale.core.records import Step
from tt_scale.generator.simulated import World
from tt_scale.registry import BUILT_IN, searcher_class
from tt_scale.space.certainty import common_text
from tt_scale.space.search_space import SearchSpace

METHODS = sorted(BUILT_IN["searchers"])
COMMITTING = ("beam_search", "dvts", "rebase", "particle_filter", "gumbel", "collective", "independent")
WORLDS = {"ordinary": World(), "blank": World(blank=0.4), "hopeless": World(slip=(1.0,) * 5, repair=0.0)}
KEYS = {
    "plain": {},
    "deep": {"backtrack_depth": 3, "tau": 0.9},
    "forced": {"last_resort": "force", "max_generated_tokens": 150},
    "narrow": {"n_beams": 1, "N": 1, "max_finished_branches": 1, "max_branches": 1, "keeping_branches": 1, "tau": 0.0},
    "strict": {"tau": 1.0, "last_resort": "force", "max_steps": 4},
}


def followed(method: str, number: int, world: str, keys: str) -> tuple[SearchSpace, list[str], list[Path]]:
    """Search with somebody who follows; at each text also look at what a broken-off search would have."""
    space = sim_space(sim_problem(number), world=WORLDS[world], method=method, **KEYS[keys])
    told: list[str] = []
    partial: list[Path] = []

    def follow(text: str) -> None:
        told.append(text)
        outcome, best = space.best_so_far()
        partial.extend([*outcome.pool, *([best] if best else [])])

    space._follow = follow
    searcher = searcher_class(method).from_config(Config(method=method, **KEYS[keys]))

    async def search() -> list[Path]:
        return [*(await space.conclude(await searcher.search(space))).pool]

    return space, told, partial + asyncio.run(search())


@pytest.mark.parametrize("keys", KEYS)
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("method", METHODS)
def test_every_answer_begins_with_what_was_told(method: str, world: str, keys: str) -> None:
    """A client cannot unread what it was sent."""
    for number in range(4):
        _, told, ends = followed(method, number, world, keys)
        assert all(later.startswith(earlier) for earlier, later in pairwise(told))
        assert all(path.text.startswith(told[-1]) for path in ends[-1:] if told)
        assert all(path.text.startswith(told[0]) for path in ends if told)


@pytest.mark.parametrize("method", METHODS)
def test_following_changes_nothing(method: str) -> None:
    """A root that is drawn to look at would give the next one another key."""
    for keys in KEYS:
        for number in range(2):
            space, _, _ = followed(method, number, "blank", keys)
            alone = sim_space(sim_problem(number), world=WORLDS["blank"], method=method, **KEYS[keys])
            searcher = searcher_class(method).from_config(Config(method=method, **KEYS[keys]))

            async def search(alone: SearchSpace = alone, searcher=searcher) -> None:  # type: ignore[no-untyped-def]
                await alone.conclude(await searcher.search(alone))

            asyncio.run(search())
            assert tree_of(space) == tree_of(alone)


@pytest.mark.parametrize("method", COMMITTING)
def test_something_is_certain_before_the_end(method: str) -> None:
    """A law about no text at all would hold for a method that never says any."""
    lengths = [len(told) for number in range(20) for told in [followed(method, number, "ordinary", "narrow")[1]]]
    assert sum(lengths) > 0


def test_common_text_is_of_whole_steps() -> None:
    """Half a step may be the beginning of two that mean the opposite."""
    one = Path((0,), (Step("a\n\n", (1,), "stop"), Step("bc\n\n", (2,), "stop")))
    other = Path((1,), (Step("a\n\n", (1,), "stop"), Step("bd\n\n", (3,), "stop")))
    assert common_text([one, other]) == "a\n\n"
    assert common_text([one]) == "a\n\nbc\n\n"
    assert common_text([one, Path((2,))]) == common_text([]) == ""


@pytest.mark.parametrize("limit", [145, 148, 151, 154])
@pytest.mark.parametrize("number", [5, 9, 15, 20])
def test_a_path_that_a_limit_finishes_is_not_ruled_out(number: int, limit: int) -> None:
    """Near the end of a token limit the longest path is finished, also where the method went on from another one."""
    space = sim_space(sim_problem(number), max_tokens=120, k_tokens=24, max_generated_tokens=limit)
    told: list[str] = []
    space._follow = told.append

    async def search() -> list[Path]:
        [[left, right]] = await space.expand(space.roots(), 2, temperature=1.0)
        await space.expand([left], 1, temperature=1.0)
        space.commit([right])
        [ends] = await space.complete([right], 1, temperature=1.0)
        finished = tuple([path for path in ends if path.is_finished])
        return [*(await space.conclude(Outcome(finished, "budget"))).pool]

    pool = asyncio.run(search())
    assert all(path.text.startswith(text) for path in pool for text in told)
