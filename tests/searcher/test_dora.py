"""DORA, and how alike texts are."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import asked_in, at, run, scripted_space, sim_problem, sim_space, table, tree_of

from tt_scale.core.path import Path
from tt_scale.errors import ConfigError
from tt_scale.searcher.dora import DORA
from tt_scale.searcher.parts.allocation import ceiling_split, dora_weights, rebase_split
from tt_scale.searcher.parts.similarity import similarities
from tt_scale.searcher.rebase import Rebase

COPIES = [[1.0, 1.0, 1.0, 0.2], [1.0, 1.0, 1.0, 0.2], [1.0, 1.0, 1.0, 0.2], [0.2, 0.2, 0.2, 1.0]]


def test_each_direction_earns_its_share_however_many_say_it() -> None:
    """Three copies and one other of equal score: a half each way, where REBASE gives three quarters to the copies."""
    weights = dora_weights([0.6] * 4, COPIES, 0.1, 0.001)
    assert weights == pytest.approx([1 / 6, 1 / 6, 1 / 6, 1 / 2])
    assert ceiling_split(weights, 8) == [2, 1, 1, 4]
    assert rebase_split([0.6] * 4, 8, 0.1) == [2, 2, 2, 2]


def test_weights_worked_values() -> None:
    """Quality e^2 to 1; two paths at similarity .99 and temperature .01 are equally unique, so quality decides."""
    quality = [math.exp(2) / (1 + math.exp(2)), 1 / (1 + math.exp(2))]
    assert dora_weights([0.9, 0.7], [[1.0, 0.99], [0.99, 1.0]], 0.1, 0.01) == pytest.approx(quality)
    # three paths: uniqueness 1/(1 + 1/e), 1/(1 + 1/e), 1
    near = 1 / (1 + math.exp(-1))
    rows = [[1.0, 0.99, 0.0], [0.99, 1.0, 0.0], [0.0, 0.0, 1.0]]
    total = 2 * near + 1
    assert dora_weights([0.5] * 3, rows, 0.1, 0.01) == pytest.approx([near / total, near / total, 1 / total])
    assert dora_weights([0.3], [[1.0]], 0.1, 0.01) == [1.0]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.integers(0, 60), st.floats(1e-3, 1e3))
def test_alike_or_not_looked_at_it_is_rebase(scores: list[float], width: int, balance: float) -> None:
    """With all paths equally unique only quality is left: all alike, or an infinite temperature of similarities."""
    ones = [[1.0] * len(scores) for _ in scores]
    apart = [[float(one == other) for other in range(len(scores))] for one in range(len(scores))]
    expected = dora_weights(scores, ones, balance, 0.01)
    assert dora_weights(scores, apart, balance, math.inf) == pytest.approx(expected)
    assert sum(expected) == pytest.approx(1.0)
    assert sum(ceiling_split(expected, width)) == width


@pytest.mark.parametrize("number", range(5))
def test_equal_trees_where_similarity_is_ignored(number: int) -> None:
    """Two methods that coincide must grow the same tree, seed for seed."""
    spaces = [sim_space(sim_problem(number)) for _ in range(2)]
    run(DORA(N=8, balance_temperature=0.2, similarity_temperature=math.inf), spaces[0])
    run(Rebase(N=8), spaces[1])
    assert tree_of(spaces[0]) == tree_of(spaces[1])


def test_hand_drawn_split() -> None:
    """0.0 and 0.1 say the same, 0.2 something else; all score alike: of four children two go each way."""
    tree = """
        0.0  .6
        0.1  .6
        0.2  .6  long
        0.3  .6  fail
        0.0.0  .6 end
        0.1.0  .6 end
        0.2.0-1  .6 end
    """
    space = scripted_space({**table(tree), (0, 2): (0.6, "step")})

    class Told(DORA):
        def alike(self, paths: Sequence[Path]) -> Sequence[Sequence[float]]:
            assert [path.key for path in paths] == [(0, 0), (0, 1), (0, 2)]
            return [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]

    outcome = run(Told(N=4), space)
    assert asked_in(space) == [at(0.8, "0.0-3"), at(0.8, "0.0.0", "0.1.0", "0.2.0-1")]
    assert len(outcome.pool) == 4


def test_similarities_worked_values() -> None:
    """Terms are words and pairs of neighbours; blank space is none, and nothing is like nothing."""
    rows = similarities(["2 + 4", "2 +  4", "2 + 5", "", " "])
    assert rows[0][1] == 1.0  # blank space says nothing
    # terms: 2, +, 4, "2 +", "+ 4" against 2, +, 5, "2 +", "+ 5": three of five in common
    assert rows[0][2] == pytest.approx(3 / 5)
    assert rows[0][3] == 0.0
    assert rows[3][4] == 1.0
    assert rows[2][0] == rows[0][2]
    assert similarities([]) == []


@given(st.lists(st.text(alphabet="ab1 +", max_size=12), min_size=1, max_size=6))
def test_similarities_are_cosines(texts: list[str]) -> None:
    """A similarity above 1 makes a stranger more alike to a path than the path itself."""
    rows = similarities(texts)
    for one, row in enumerate(rows):
        assert row[one] == 1.0
        assert all(0 <= value <= 1 for value in row)
        assert [rows[other][one] for other in range(len(texts))] == row


@pytest.mark.parametrize("knob", ["balance_temperature", "similarity_temperature"])
def test_bad_knobs_are_explained(knob: str) -> None:
    """Temperature 0 divides by zero in the middle of a run."""
    with pytest.raises(ConfigError, match=f"{knob} is 0"):
        DORA(**{knob: 0})  # type: ignore[arg-type]
