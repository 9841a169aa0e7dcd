"""Selectors: invariants of all of them, and ties."""

from __future__ import annotations

from itertools import combinations
from math import comb, isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tt_scale.core.path import Outcome, Path
from tt_scale.core.selection import NO_ANSWER, SELECTORS, Candidate, candidates, oracle, pass_at_k, sizes

scores = st.floats(min_value=0.0, max_value=1.0, allow_nan=False)
answered = st.builds(Candidate, answer=st.integers(min_value=0, max_value=4), score=scores)
blank = st.builds(Candidate, answer=st.just(NO_ANSWER), score=scores)
pools = st.lists(st.one_of(answered, blank), max_size=12)
VOTES = ["majority", "weighted"]


def chosen_class(selector: str, pool: list[Candidate]) -> int | None:
    index = SELECTORS[selector](pool)
    return None if index is None else pool[index].answer


def pool_of(*members: tuple[int, float]) -> list[Candidate]:
    return [Candidate(answer, score) for answer, score in members]


@given(answered)
def test_one_member_is_chosen_by_all(member: Candidate) -> None:
    """With N = 1 every method must report the same accuracy, or a table's first column differs for no reason."""
    assert {select([member]) for select in SELECTORS.values()} == {0}


@given(pools)
def test_a_choice_is_a_member_with_an_answer(pool: list[Candidate]) -> None:
    """A blank must never be chosen while somebody answered; an empty pool must not raise."""
    for name, select in SELECTORS.items():
        index = select(pool)
        if name == "first":
            assert index == (0 if pool else None)
        elif any(member.answer != NO_ANSWER for member in pool):
            assert index is not None
            assert pool[index].answer != NO_ANSWER
        else:
            assert index is None


@given(pools, st.lists(blank, max_size=4), st.data())
def test_blanks_change_nothing(pool: list[Candidate], blanks: list[Candidate], data: st.DataObject) -> None:
    """Truncated solutions that vote as one class "None" win majorities in public code."""
    mixed = list(pool)
    for member in blanks:
        mixed.insert(data.draw(st.integers(min_value=0, max_value=len(mixed))), member)
    for name in ("best", *VOTES):
        assert chosen_class(name, mixed) == chosen_class(name, pool)


@given(pools, scores)
def test_equal_scores_make_weighted_the_majority(pool: list[Candidate], score: float) -> None:
    """A PRM that says the same of all, zero too, must not turn the weighted vote into "first"."""
    equal = [Candidate(member.answer, score) for member in pool]
    assert SELECTORS["weighted"](equal) == SELECTORS["majority"](equal)


@given(st.permutations(list(range(10))), st.lists(answered, min_size=10, max_size=10))
def test_order_decides_ties_only(order: list[int], pool: list[Candidate]) -> None:
    """A float sum taken in pool order changes in its last bit, and with it the winner of near ties."""
    shuffled = [pool[index] for index in order]
    votes = {label: [member.score for member in pool if member.answer == label] for label in range(5)}
    sizes_ = sorted((len(voters) for voters in votes.values()), reverse=True)
    if sizes_[0] > sizes_[1]:
        assert chosen_class("majority", shuffled) == chosen_class("majority", pool)
    top = sorted({member.score for member in pool}, reverse=True)
    if [member.score for member in pool].count(top[0]) == 1:
        assert chosen_class("best", shuffled) == chosen_class("best", pool)


def test_ties_go_to_what_came_first() -> None:
    """Ties by class number or by dictionary order make accuracy depend on the grouping."""
    assert SELECTORS["best"](pool_of((1, 0.5), (0, 0.5))) == 0
    assert SELECTORS["majority"](pool_of((3, 0.1), (0, 0.9), (0, 0.9), (3, 0.1))) == 0
    assert SELECTORS["weighted"](pool_of((3, 0.5), (0, 0.25), (0, 0.25))) == 1
    assert SELECTORS["weighted"](pool_of((3, 0.5), (0, 0.5))) == 0


def test_the_three_votes_differ_where_they_should() -> None:
    """A selector that is wired to another one passes every invariant; here each has its own winner."""
    pool = pool_of((0, 0.9), (1, 0.5), (1, 0.5), (2, 0.1), (2, 0.1), (2, 0.1))
    assert [chosen_class(name, pool) for name in ("best", "weighted", "majority", "first")] == [0, 1, 2, 0]


def test_weighted_sums_exactly() -> None:
    """0.1 ten times is 1.0 in a fair sum, and 0.9999999999999999 in a naive one, which loses to 1.0 first."""
    pool = [Candidate(0, 1.0), *[Candidate(1, 0.1) for _ in range(10)]]
    assert chosen_class("weighted", pool) == 1


def test_oracle_finds_any_right_member() -> None:
    """The ceiling must be a member, or None: a default index would count failures as right."""
    assert oracle([False, True, True]) == 1
    assert oracle([False]) is None
    assert oracle([]) is None


@pytest.mark.parametrize(
    ("count", "expected"), [(0, []), (1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (8, [1, 2, 4, 8]), (9, [1, 2, 4, 8, 9])]
)
def test_sizes(count: int, expected: list[int]) -> None:
    """Leaving out the pool's own size hides the method's own answer where N is no power of two."""
    assert sizes(count) == expected


@given(st.integers(min_value=1, max_value=8), st.data())
def test_pass_at_k_is_the_mean_over_all_subsets(count: int, data: st.DataObject) -> None:
    """1 - (1 - c/n)^k, which is often used, is biased; the estimator is exactly the share of hitting subsets."""
    correct = data.draw(st.integers(min_value=0, max_value=count))
    k = data.draw(st.integers(min_value=1, max_value=count))
    hits = sum(any(index < correct for index in subset) for subset in combinations(range(count), k))
    assert isclose(pass_at_k(count, correct, k), hits / comb(count, k), abs_tol=1e-12)


def test_pass_at_k_survives_large_counts() -> None:
    """Binomials of thousands overflow floats where they are divided too late."""
    assert 0.99 < pass_at_k(5000, 2500, 10) < 1.0
    assert pass_at_k(5000, 0, 5000) == 0.0
    assert pass_at_k(5000, 1, 5000) == 1.0


@pytest.mark.parametrize(("count", "correct", "k"), [(4, 5, 1), (4, -1, 1), (4, 2, 0), (4, 2, 5), (0, 0, 1)])
def test_pass_at_k_rejects_arguments_out_of_range(count: int, correct: int, k: int) -> None:
    """k > n has no unbiased estimate; a silent 1.0 there has been published."""
    with pytest.raises(ValueError, match="pass_at_k needs"):
        pass_at_k(count, correct, k)


def test_weights_of_the_method_replace_scores_in_the_weighted_vote_only() -> None:
    """A method's weights that are lost, or that overwrite what the PRM said of the best one."""
    pool = [Candidate(0, 0.9, 1.0), Candidate(1, 0.2, 4.0), Candidate(0, 0.9, 2.5)]
    assert {name: chosen_class(name, pool) for name in SELECTORS} == {
        "best": 0,
        "majority": 0,
        "weighted": 1,
        "first": 0,
    }


def test_candidates_take_the_weights_of_an_outcome() -> None:
    """Weights of another order than the pool's, or zeros where there are none."""
    paths = (Path((0,), score=0.5), Path((1,), score=0.75))
    assert [each.vote for each in candidates(Outcome(paths, "enough"), [0, 1])] == [0.5, 0.75]
    assert [each.vote for each in candidates(Outcome(paths, "enough", (0.0, 3.0)), [0, 1])] == [0.0, 3.0]
    with pytest.raises(ValueError, match="shorter"):
        candidates(Outcome(paths, "enough", (1.0,)), [0, 1])
