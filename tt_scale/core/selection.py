"""Selectors: choose one member of a pool of finished paths.

A selector sees only the answer class and the aggregate score of each member, so that every selector works for every
method. `Grader.group` computes the classes.

Source: majority vote, Wang et al. 2023 (arXiv 2203.11171); weighted vote, Li et al. 2023 (arXiv 2206.02336).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import comb, fsum
from types import MappingProxyType
from typing import TYPE_CHECKING

from tt_scale.core.aggregate import aggregate

if TYPE_CHECKING:
    from tt_scale.core.path import Outcome

__all__ = ["NO_ANSWER", "SELECTORS", "Candidate", "Selector", "candidates", "oracle", "pass_at_k", "sizes"]

NO_ANSWER = -1
"""Answer class of a pool member that states no answer."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A pool member as a selector sees it.

    Attributes:
        answer: its answer class, from 0; `NO_ANSWER` if it states none.
        score: its aggregate score in [0, 1], by `final_agg` if that is set.
        weight: weight in the weighted vote, at least 0; None means the score.
    """

    answer: int
    score: float = 0.0
    weight: float | None = None

    @property
    def vote(self) -> float:
        """Its weight in the weighted vote."""
        return self.score if self.weight is None else self.weight


def candidates(outcome: Outcome, answers: Sequence[int], final_agg: str | None = None) -> list[Candidate]:
    """Turn a pool into the candidates of a selector.

    Args:
        outcome: outcome of a search.
        answers: answer class of each member, as `Grader.group` returns it [members].
        final_agg: aggregate of the step scores for the selection; None keeps the scores of the search.
    """
    weights = outcome.weights or (None,) * len(outcome.pool)
    return [
        Candidate(answer, path.score if final_agg is None else aggregate(final_agg, path.scores, True), weight)
        for answer, path, weight in zip(answers, outcome.pool, weights, strict=True)
    ]


Selector = Callable[[Sequence[Candidate]], "int | None"]
"""(pool in order of arrival [members]) -> index of the chosen member, or None if there is none to choose."""


def best(pool: Sequence[Candidate]) -> int | None:
    """Member with the highest score among those with an answer; ties go to the earlier one."""
    answered = [index for index, member in enumerate(pool) if member.answer != NO_ANSWER]
    return max(answered, key=lambda index: pool[index].score, default=None)


def majority(pool: Sequence[Candidate]) -> int | None:
    """First member of the largest class; ties go to the class that appeared first."""
    classes = _classes(pool)
    return max(classes, key=len)[0] if classes else None


def weighted(pool: Sequence[Candidate]) -> int | None:
    """First member of the class with the largest sum of weights: scores, unless the method sets weights.

    Ties go to the larger class (so that equal weights, also zeros, yield the majority), then to the one that appeared
    first. The sum is exact, so that the order of the pool cannot decide by rounding.
    """
    classes = _classes(pool)
    if not classes:
        return None
    return max(classes, key=lambda members: (fsum(pool[index].vote for index in members), len(members)))[0]


def first(pool: Sequence[Candidate]) -> int | None:
    """Member that finished first, with an answer or without."""
    return 0 if pool else None


SELECTORS: Mapping[str, Selector] = MappingProxyType(
    {"best": best, "majority": majority, "weighted": weighted, "first": first}
)
"""Selectors that need no gold answer, by name."""


def oracle(correct: Sequence[bool]) -> int | None:
    """First correct member: the upper bound of every selector, for reports only.

    Args:
        correct: whether each member is correct, in pool order [members].
    """
    return next((index for index, right in enumerate(correct) if right), None)


def sizes(count: int) -> list[int]:
    """Pool sizes that reports cover: each power of two up to `count`, and `count` itself.

    Args:
        count: number of members of the pool, at least 0.
    """
    powers = [1 << exponent for exponent in range(count.bit_length())]
    return powers if not count or powers[-1] == count else [*powers, count]


def pass_at_k(count: int, correct: int, k: int) -> float:
    """Unbiased estimate of the probability that at least one of `k` samples is correct: 1 - C(n - c, k) / C(n, k).

    Args:
        count: number of samples, n.
        correct: number of correct samples, in [0, n].
        k: in [1, n].

    Raises:
        ValueError: an argument is out of range.

    Source: Chen et al. 2021 (arXiv 2107.03374), section 2.1.
    """
    if not 0 <= correct <= count or not 1 <= k <= count:
        raise ValueError(f"pass_at_k needs 0 <= correct <= count and 1 <= k <= count, not {correct=}, {count=}, {k=}.")
    return 1.0 - comb(count - correct, k) / comb(count, k)


def _classes(pool: Sequence[Candidate]) -> list[list[int]]:
    """Indices of the members of each class; classes in order of first appearance."""
    members: dict[int, list[int]] = {}
    for index, member in enumerate(pool):
        if member.answer != NO_ANSWER:
            members.setdefault(member.answer, []).append(index)
    return list(members.values())
