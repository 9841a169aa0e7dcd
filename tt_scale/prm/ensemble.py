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
    """The member that likes a step least decides."""
    return [min(each) for each in zip(*columns, strict=True)]


def product(columns: Columns) -> list[float]:
    """All members must like a step."""
    return [prod(each) for each in zip(*columns, strict=True)]


def rank_mean(columns: Columns) -> list[float]:
    """The mean of the members' ranks, for members whose scores are not on one scale."""
    return mean([ranks(column) for column in columns])


def ranks(values: Sequence[float]) -> list[float]:
    """Give each value the share of the others that it beats; a tie is half a win.

    Returns:
        From 0 (the worst) to 1 (the best); 0.5 for one alone [values].
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

    Costs add up, and each member's own scores travel with the combined ones. A path that one of them cannot read is
    too long for all. With "rank-mean" a step is ranked among the new steps of all paths that are scored together, so
    that its score says nothing about paths of another call.

    Args:
        members: by name, in the order in which they are started.
        combine: a name in `COMBINATIONS`.

    Attributes:
        members: as given.
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
        """Make the PRMs that `prm_name` lists; nothing is loaded before `start`."""
        made = {each.name: each.cls.from_config(each.config, generator) for each in resolve(config).prms}
        return cls(made, config.prm_combine)

    async def start(self) -> None:
        """Start one after the other: engines that start at once mis-measure memory."""
        for member in self.members.values():
            await member.start()
        self.parameters = sum([member.parameters for member in self.members.values()])

    async def close(self) -> None:
        """Close all, also where closing one fails; a second call does nothing."""
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
        tables = await gather_or_cancel([self._asked(name, problem, paths) for name in self.members])
        found = list(zip(*tables, strict=True))  # [paths][members]
        readable = [not any(scores.too_long for scores in each) for each in found]
        columns = [
            [value for scores, fits in zip(table, readable, strict=True) if fits for value in scores.values]
            for table in tables
        ]
        combined = iter(self._combine(columns))
        return [
            self._joined(each, [next(combined) for _ in each[0].values] if fits else None)
            for each, fits in zip(found, readable, strict=True)
        ]

    async def _asked(self, name: str, problem: Problem, paths: Sequence[Path]) -> list[Scores]:
        """Ask one member; a score missing or too many would shift those of the others."""
        table = await self.members[name].score(problem, paths)
        if len(table) != len(paths):
            raise PRMError(f"The PRM {name!r} gave {len(table)} records for {len(paths)} paths; one each is needed.")
        for path, scores in zip(paths, table, strict=True):
            scores.check(len(path.steps) - len(path.scores), f"The PRM {name!r}")
        return table

    def _joined(self, found: Sequence[Scores], values: Sequence[float] | None) -> Scores:
        members = self.members.items()
        return Scores(
            tuple(values or ()),
            tokens=sum([scores.tokens for scores in found]),
            cached=sum([scores.cached for scores in found]),
            too_long=values is None,
            parts={} if values is None else {
                name: scores.values for name, scores in zip(self.members, found, strict=True)
            },
            flops=sum([
                scores.flops if scores.flops is not None else 2.0 * member.parameters * (scores.tokens - scores.cached)
                for (_, member), scores in zip(members, found, strict=True)
            ]),
        )  # fmt: skip
