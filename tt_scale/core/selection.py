"""From a pool to one answer.

A selector sees of each pool member only which class its answer belongs to and its aggregate score, so every
selector works for every method. Answers are grouped into classes beforehand, by `Grader.group`.

Source: majority, Wang et al. 2023 (arXiv 2203.11171); the weighted vote, Li et al. 2023 (arXiv 2206.02336).
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
"""The class of a pool member that states no answer."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One pool member as a selector sees it.

    Attributes:
        answer: the class of its answer, from 0; `NO_ANSWER` where it has none.
        score: its aggregate, in [0, 1]; that of the final selection, where it has its own.
        weight: in the weighted vote, at least 0; None takes the score.
    """

    answer: int
    score: float = 0.0
    weight: float | None = None

    @property
    def vote(self) -> float:
        """What it brings to the weighted vote."""
        return self.score if self.weight is None else self.weight


def candidates(outcome: Outcome, answers: Sequence[int], final_agg: str | None = None) -> list[Candidate]:
    """Show a pool to selectors.

    Args:
        outcome: of a search.
        answers: the class of each member's answer, as `Grader.group` gives it [members].
        final_agg: aggregate of the step scores that selectors see; None keeps the score that the search saw.
    """
    weights = outcome.weights or (None,) * len(outcome.pool)
    return [
        Candidate(answer, path.score if final_agg is None else aggregate(final_agg, path.scores, True), weight)
        for answer, path, weight in zip(answers, outcome.pool, weights, strict=True)
    ]


Selector = Callable[[Sequence[Candidate]], "int | None"]
"""Pool in order of arrival [members] -> index of the chosen member, or None where nothing can be chosen."""


def best(pool: Sequence[Candidate]) -> int | None:
    """The member with the highest score among those with an answer; ties go to the earlier one."""
    answered = [index for index, member in enumerate(pool) if member.answer != NO_ANSWER]
    return max(answered, key=lambda index: pool[index].score, default=None)


def majority(pool: Sequence[Candidate]) -> int | None:
    """The first member of the largest class; ties go to the class that came first."""
    classes = _classes(pool)
    return max(classes, key=len)[0] if classes else None


def weighted(pool: Sequence[Candidate]) -> int | None:
    """The first member of the class with the largest sum of votes: of scores, unless the method gave weights.

    Ties go to the larger class (so that equal votes, zeros too, give the majority), then to the one that came
    first. The sum is exact, so that the order of the pool cannot decide by rounding.
    """
    classes = _classes(pool)
    if not classes:
        return None
    return max(classes, key=lambda members: (fsum(pool[index].vote for index in members), len(members)))[0]


def first(pool: Sequence[Candidate]) -> int | None:
    """The member that finished first, whatever it says."""
    return 0 if pool else None


SELECTORS: Mapping[str, Selector] = MappingProxyType(
    {"best": best, "majority": majority, "weighted": weighted, "first": first}
)
"""The selectors that need no gold answer, by name."""


def oracle(correct: Sequence[bool]) -> int | None:
    """The first member that is right: the ceiling of every selector, for reports only.

    Args:
        correct: whether each member is right, in pool order [members].
    """
    return next((index for index, right in enumerate(correct) if right), None)


def sizes(count: int) -> list[int]:
    """The pool sizes that reports cover: each power of two up to `count`, and `count` itself.

    Args:
        count: members of the pool, at least 0.
    """
    powers = [1 << exponent for exponent in range(count.bit_length())]
    return powers if not count or powers[-1] == count else [*powers, count]


def pass_at_k(count: int, correct: int, k: int) -> float:
    """Estimate without bias how often at least one of `k` samples is right: 1 - C(n - c, k) / C(n, k).

    Args:
        count: samples drawn, n.
        correct: how many of them are right, in [0, n].
        k: in [1, n].

    Raises:
        ValueError: a number out of its range.

    Source: Chen et al. 2021 (arXiv 2107.03374), section 2.1.
    """
    if not 0 <= correct <= count or not 1 <= k <= count:
        raise ValueError(f"pass_at_k needs 0 <= correct <= count and 1 <= k <= count, not {correct=}, {count=}, {k=}.")
    return 1.0 - comb(count - correct, k) / comb(count, k)


def _classes(pool: Sequence[Candidate]) -> list[list[int]]:
    """The members of each class, classes in the order in which they first appear."""
    members: dict[int, list[int]] = {}
    for index, member in enumerate(pool):
        if member.answer != NO_ANSWER:
            members.setdefault(member.answer, []).append(index)
    return list(members.values())
