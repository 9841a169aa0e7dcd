"""Subpool selection."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random

import pytest
from worlds import asked_in, at, run, scripted_space, sim_problem, sim_space, table, tree_of

from tt_scale.base_classes import Step
from tt_scale.core.path import Key, Path
from tt_scale.errors import ConfigError
from tt_scale.searcher.subpool import Subpool, dealt, standing
from tt_scale.space.search_space import SearchSpace


def a_step() -> Step:
    """Any step: a path without one is a root."""
    return Step("so\n\n", (1,), "stop")


async def best_first(space: SearchSpace, width: int, decay: float) -> None:
    """Grow the best so far, again and again, as plainly as it can be written."""
    prefixes, grown, finished = space.roots(), Counter[Key](), 0
    while finished < width:
        prefixes.sort(
            key=lambda path: (
                -(path.score if path.steps else 0.5) * decay ** grown[path.key],
                grown[path.key],
                -len(path.key),
                path.key,
            )
        )
        chosen = prefixes[:width]
        each = [width // len(chosen)] * len(chosen)  # in these tests the pool is 1 or at least as large as the width
        grown.update(path.key for path in chosen)
        for family in await space.expand(chosen, each, temperature=0.8):
            prefixes += [child for child in family if child.is_open]
            finished += sum(child.is_finished for child in family)


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("decay", [0.5, 0.9])
def test_one_subpool_is_global_best_first(number: int, decay: float) -> None:
    """With one subpool nothing is left to chance: the best of all prefixes, whatever their depth."""
    space, plain = sim_space(sim_problem(number)), sim_space(sim_problem(number))
    run(Subpool(subpools=1, decay=decay), space)
    asyncio.run(best_first(plain, 4, decay))
    assert tree_of(space) == tree_of(plain)


def test_dealing_loses_and_repeats_nobody() -> None:
    """A prefix in two subpools is grown twice, one in none is lost; an empty subpool has no best."""
    prefixes = [Path((0, child)) for child in range(11)]
    parts = dealt(prefixes, 4, Random(3))
    assert sorted(map(len, parts)) == [2, 3, 3, 3]
    assert sorted(path.key for part in parts for path in part) == [path.key for path in prefixes]
    assert dealt(prefixes, 4, Random(4)) != parts
    assert [len(part) for part in dealt(prefixes[:2], 4, Random(3))] == [1, 1]


def test_dealing_is_fair() -> None:
    """A shuffle that keeps neighbours together lets siblings compete only with each other."""
    prefixes, random, together = [Path((0, child)) for child in range(8)], Random(9), 0
    for _ in range(4_000):
        together += any({(0, 0), (0, 1)} <= {path.key for path in part} for part in dealt(prefixes, 4, random))
    assert together / 4_000 == pytest.approx(1 / 7, abs=0.02)  # the second seat of a pair is any of the 7 others


def test_standing_worked_values() -> None:
    """Discounts, and ties: less often grown, then deeper, then by key; a root is worth one half."""
    step = a_step()
    high, low, root = Path((0, 0), (step,), score=0.8), Path((0, 1), (step,), score=0.5), Path((1,))
    assert standing(high, 1, 0.5) > standing(low, 0, 0.5) > standing(high, 0, 0.5)
    assert standing(root, 0, 0.5)[0] == standing(low, 0, 0.5)[0] == -0.5
    assert standing(low, 0, 0.5) < standing(root, 0, 0.5)  # deeper first, so that equal scores still lead to an end
    assert standing(low, 1, 1.0) > standing(root, 0, 1.0)


def test_it_returns_to_an_earlier_prefix() -> None:
    """What makes it backtracking: when all children of a good prefix are poor, it is grown again, and says so.

    Worth of the pool before each round, N 2 and one subpool: root .5 | 0.0 .9, root .25, 0.1 .1 | 0.0 .45, 0.0.0 .2,
    0.2 .15, root .125, 0.1 .1 | 0.0.1 .8, 0.0 .225, 0.0.0 .1, ...
    """
    tree = """
        0.0      .9
        0.1      .1
        0.0.0    .2
        0.2      .15
        0.0.1    .8
        0.0.0.0  .05
        0.0.1.0  .9  end
        0.0.2    .7  end
    """
    space = scripted_space(table(tree))
    outcome = run(Subpool(N=2, subpools=1), space)
    assert asked_in(space) == [
        at(0.8, "0.0-1"), at(0.8, "0.0.0", "0.2"), at(0.8, "0.0.1", "0.0.0.0"), at(0.8, "0.0.1.0", "0.0.2"),
    ]  # fmt: skip
    assert [event.keys for event in space.events] == [((0,),), ((0, 0),), ((0, 0),)]
    assert [path.key for path in outcome.pool] == [(0, 0, 1, 0), (0, 0, 2)]
    assert outcome.stopped == "enough"


def test_each_subpool_gives_its_best() -> None:
    """An over-scored prefix may block its own subpool, not the others: with four of them four different are taken."""
    prefixes = [Path((0, child), (a_step(),), score=0.99 if child == 0 else 0.5) for child in range(12)]
    chosen = Subpool(N=4)._chosen(prefixes, Counter(), Random(1))
    assert len({path.key for path in chosen}) == 4
    assert (0, 0) in {path.key for path in chosen}
    assert len({path.key for path in Subpool(N=6)._chosen(prefixes, Counter(), Random(1))}) == 6
    blocked = Subpool(N=4)._chosen(prefixes, Counter({(0, 0): 1}), Random(1))  # at .495 it is the last of its subpool
    assert (0, 0) not in {path.key for path in blocked}


@pytest.mark.parametrize(("args", "words"), [({"subpools": 0}, "at least 1"), ({"decay": 2}, "between 0 and 1")])
def test_bad_knobs_are_explained(args: dict[str, object], words: str) -> None:
    """A discount above 1 grows the same prefix for ever."""
    with pytest.raises(ConfigError, match=words):
        Subpool(**args)  # type: ignore[arg-type]
