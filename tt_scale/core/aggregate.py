"""Aggregates: reduce the scores of the steps of a path to one path score."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from math import prod
from types import MappingProxyType

__all__ = ["AGGREGATES", "Aggregate", "aggregate", "aggregates_in_words"]

Aggregate = Callable[[Sequence[float], bool], float]
"""(scores [steps], whether the path is finished) -> number in [0, 1]."""


def last(scores: Sequence[float], finished: bool) -> float:
    """Score of the newest step."""
    return scores[-1]


def mean(scores: Sequence[float], finished: bool) -> float:
    """Arithmetic mean of the step scores."""
    return sum(scores) / len(scores)


def minimum(scores: Sequence[float], finished: bool) -> float:
    """Lowest step score."""
    return min(scores)


def product(scores: Sequence[float], finished: bool) -> float:
    """Product of the step scores: the probability that all are right if they are independent; favours short paths."""
    return prod(scores)


def mean_only_final(scores: Sequence[float], finished: bool) -> float:
    """`last` for an open path, `mean` for a finished one."""
    return mean(scores, finished) if finished else last(scores, finished)


AGGREGATES: Mapping[str, Aggregate] = MappingProxyType(
    {"last": last, "mean": mean, "min": minimum, "prod": product, "mean_only_final": mean_only_final}
)


def aggregate(agg: str, scores: Sequence[float], finished: bool = False) -> float:
    """Turn step scores into a path's score.

    Args:
        agg: a name in `AGGREGATES`.
        scores: each in [0, 1] [steps].
        finished: whether the path is finished.

    Returns:
        A number in [0, 1]; 0 if there are no scores.
    """
    return AGGREGATES[agg](scores, finished) if scores else 0.0


def aggregates_in_words(pairs: Collection[tuple[str, str | None]]) -> tuple[str, ...]:
    """Name the aggregates that the runs of a table used, for its footer.

    Args:
        pairs: `agg` and `final_agg` of each of its runs with a PRM.

    Returns:
        One sentence; none if there is no such run.
    """
    if not pairs:
        return ()
    searching = dict.fromkeys([agg for agg, _ in pairs])
    selecting = dict.fromkeys([final or agg for agg, final in pairs])
    text = f"Aggregate of step scores (agg): {' or '.join(searching)}"
    if all(final is None or final == agg for agg, final in pairs):
        return (f"{text}.",)
    return (f"{text}; of the final selection (final_agg): {' or '.join(selecting)}.",)
