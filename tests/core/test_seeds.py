"""Seeds depend on the position in the tree alone."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise, product

from hypothesis import given
from hypothesis import strategies as st
from worlds import run, sim_problem, sim_space

from tt_scale.core.seeds import derive_seed
from tt_scale.searcher.best_of_n import BestOfN


def test_every_position_has_its_own_seed() -> None:
    """A hash that leaves one of its parts out: siblings, problems, runs or blank draws would repeat a sample."""
    places = list(product([79, 80], ["p", "q"], [(0,), (1,), (0, 1), (0, 1, 2)], range(5), range(3)))
    assert len({derive_seed(*place) for place in places}) == len(places)


def test_parts_do_not_run_together() -> None:
    """Joined without a separator, key 1.12 child 3 and key 1.1 child 23 are one place."""
    confusable = [
        (1, "1", (1,), 1, 1),
        (11, "", (1,), 1, 1),
        (1, "11", (1,), 1, 0),
        (1, "1", (1, 1), 1, 0),
        (1, "1", (1,), 11, 0),
        (1, "1", (11,), 1, 0),
        (1, "1", (1, 12), 3, 0),
        (1, "1", (1, 1), 23, 0),
    ]
    assert len({derive_seed(*place) for place in confusable}) == len(confusable)


@given(
    seed=st.integers(0, 2**31),
    problem=st.text(max_size=20),
    key=st.lists(st.integers(0, 99), min_size=1, max_size=9).map(tuple),
    child=st.integers(0, 999),
)
def test_seeds_fit_every_reader_and_engine(seed: int, problem: str, key: tuple[int, ...], child: int) -> None:
    """Seeds above 2**53 are rounded by JSON readers that know only doubles; the journal could not be replayed."""
    derived = derive_seed(seed, problem, key, child)
    assert 0 <= derived < 2**48
    assert int(float(derived)) == derived
    assert derived == derive_seed(seed, problem, key, child)


def test_neighbours_have_unrelated_seeds() -> None:
    """Engines give child i of a request seed + i: neighbours with seeds s and s + 1 would share samples."""
    seeds = sorted(derive_seed(79, "p", (root,), child) for root in range(30) for child in range(30))
    assert min(after - before for before, after in pairwise(seeds)) > 64


def test_seeds_are_the_same_in_every_process() -> None:
    """Python's own hash() of a string changes with every process; a resumed run would draw another tree."""
    code = "from tt_scale.core.seeds import derive_seed; print(derive_seed(79, 'p', (0, 2), 5))"
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": salt},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for salt in ("1", "2")
    }
    assert told == {f"{derive_seed(79, 'p', (0, 2), 5)}\n"}


def test_the_golden_value_of_a_seed() -> None:
    """A changed derivation silently redraws every published tree."""
    assert derive_seed(79, "sim-00000", (0,), 0) == 44503506217061


def test_copies_of_the_root_and_later_calls_draw_other_children() -> None:
    """Copies of the root with one key, or children numbered from 0 in each call, repeat the same sample."""
    space = sim_space(sim_problem())
    assert [root.key for root in [*space.roots(2), *space.roots()]] == [(0,), (1,), (2,)]
    run(BestOfN(N=3), space)
    run(BestOfN(N=3), space)
    assert len({node.steps[-1].seed for node in space.nodes}) == 6


def test_repetitions_have_different_seeds() -> None:
    """`repeats` that draws the same samples again measures nothing."""
    seeds = []
    for repeat in range(3):
        space = sim_space(sim_problem(), repeat=repeat)
        run(BestOfN(N=4), space)
        seeds += [node.steps[-1].seed for node in space.nodes]
    assert len(set(seeds)) == 12
