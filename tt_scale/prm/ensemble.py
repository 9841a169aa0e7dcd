"""Several PRMs as one: each scores the new steps, and their scores become one for each step."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from math import prod
from types import MappingProxyType
from typing import TYPE_CHECKING

from tt_scale.backends import resolve
from tt_scale.base_classes import PRM, Generator
from tt_scale.core.concurrency import gather_or_cancel
from tt_scale.core.path import Path
from tt_scale.core.records import Problem, Scores
from tt_scale.errors import ConfigError, PRMError

if TYPE_CHECKING:
    from typing_extensions import Self

    from tt_scale.config import Config

__all__ = ["EnsemblePRM", "ranks"]

Columns = Sequence[Sequence[float]]
"""Scores of all new steps of one call, member by member [members][steps]."""


def mean(columns: Columns) -> list[float]:
    """The arithmetic mean of the members."""
    return [sum(each) / len(each) for each in zip(*columns, strict=True)]


def minimum(columns: Columns) -> list[float]:
    """The smallest score of the members."""
    return [min(each) for each in zip(*columns, strict=True)]


def product(columns: Columns) -> list[float]:
    """The product of the members' scores."""
    return [prod(each) for each in zip(*columns, strict=True)]


def rank_mean(columns: Columns) -> list[float]:
    """The mean of the members' ranks, for members whose scores are not on one scale."""
    return mean([ranks(column) for column in columns])


def ranks(values: Sequence[float]) -> list[float]:
    """Compute for each value the share of the others that are smaller; a tie counts half.

    Returns:
        Ranks from 0 (worst) to 1 (best); 0.5 for a single value [values].
    """
    if len(values) == 1:
        return [0.5]
    order = sorted(values)
    others = len(values) - 1
    return [
        (bisect_left(order, value) + (bisect_right(order, value) - bisect_left(order, value) - 1) / 2) / others
        for value in values
    ]


COMBINATIONS: Mapping[str, Callable[[Columns], list[float]]] = MappingProxyType(
    {"mean": mean, "min": minimum, "product": product, "rank-mean": rank_mean}
)


class EnsemblePRM(PRM):
    """Several PRMs that score as one.

    Costs are summed, and the scores of each member are recorded with the combined ones. A path that is too long for one
    member is too long for the ensemble. With "rank-mean" a step is ranked among the new steps of all paths in one call,
    so scores of different calls are not comparable.

    Args:
        members: PRMs by name, in the order in which they are started.
        combine: a name in `COMBINATIONS`.

    Attributes:
        members: PRMs by name.
    """

    def __init__(self, members: Mapping[str, PRM], combine: str = "mean") -> None:
        if len(members) < 2 or combine not in COMBINATIONS:
            raise ConfigError(
                f"An ensemble of {len(members)} PRMs by {combine!r}; at least two are combined, by one of: "
                f"{', '.join(COMBINATIONS)}."
            )
        self.members: Mapping[str, PRM] = MappingProxyType(dict(members))
        self.top_logprobs = max([member.top_logprobs for member in members.values()])
        self._combine = COMBINATIONS[combine]

    @classmethod
    def from_config(cls, config: Config, generator: Generator) -> Self:
        """Create the PRMs that `prm_name` lists; nothing is loaded before `start`."""
        members = {each.name: each.cls.from_config(each.config, generator) for each in resolve(config).prms}
        return cls(members, config.prm_combine)

    async def start(self) -> None:
        """Start the members one after the other: engines that start concurrently mis-measure free memory."""
        for member in self.members.values():
            await member.start()
        self.parameters = sum([member.parameters for member in self.members.values()])

    async def close(self) -> None:
        """Close all members, even if closing one fails; a second call does nothing."""
        async with AsyncExitStack() as stack:
            for member in self.members.values():
                stack.push_async_callback(member.close)

    def progress(self) -> float:
        """The last sign of progress of any member."""
        return max(self.last_progress, *[member.progress() for member in self.members.values()])

    def died(self) -> str:
        """How the first member that died ended; empty while all is well."""
        return next(filter(None, [member.died() for member in self.members.values()]), "")

    async def score(self, problem: Problem, paths: Sequence[Path]) -> list[Scores]:
        """Let every member score, and combine; errors as in `PRM.score`."""
        tables = await gather_or_cancel([self._member_scores(name, problem, paths) for name in self.members])
        by_path = list(zip(*tables, strict=True))  # [paths][members]
        readable = [not any(scores.too_long for scores in each) for each in by_path]
        columns = [
            [value for scores, fits in zip(table, readable, strict=True) if fits for value in scores.values]
            for table in tables
        ]
        combined = iter(self._combine(columns))
        return [
            self._merge(each, [next(combined) for _ in each[0].values] if fits else None)
            for each, fits in zip(by_path, readable, strict=True)
        ]

    async def _member_scores(self, name: str, problem: Problem, paths: Sequence[Path]) -> list[Scores]:
        """Score with one member, and check the number of scores: a wrong number would misalign the combination."""
        table = await self.members[name].score(problem, paths)
        if len(table) != len(paths):
            raise PRMError(f"The PRM {name!r} gave {len(table)} records for {len(paths)} paths; one each is needed.")
        for path, scores in zip(paths, table, strict=True):
            scores.check(len(path.steps) - len(path.scores), f"The PRM {name!r}")
        return table

    def _merge(self, member_scores: Sequence[Scores], values: Sequence[float] | None) -> Scores:
        members = self.members.items()
        return Scores(
            tuple(values or ()),
            tokens=sum([scores.tokens for scores in member_scores]),
            cached=sum([scores.cached for scores in member_scores]),
            too_long=values is None,
            parts={} if values is None else {
                name: scores.values for name, scores in zip(self.members, member_scores, strict=True)
            },
            flops=sum([
                scores.flops if scores.flops is not None else 2.0 * member.parameters * (scores.tokens - scores.cached)
                for (_, member), scores in zip(members, member_scores, strict=True)
            ]),
        )  # fmt: skip
