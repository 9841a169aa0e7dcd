"""Paths through a problem, and what a search brings home."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from tt_scale.core.records import Step

__all__ = ["Key", "Outcome", "Path", "State", "Stopped", "best", "finished_children", "name", "open_children"]

Key = tuple[int, ...]
"""Where a path hangs in the tree: the number of its root copy, then a child number for each growth."""

State = Literal["open", "finished", "truncated", "failed", "unreadable"]
"""Only open paths can grow, only finished ones vote; an unreadable one is longer than its PRM can read."""

Stopped = Literal["enough", "steps", "frontier", "budget"]
"""Why a search ended: enough finished paths, no expansions left, nothing left to grow, or the budget."""


@dataclass(frozen=True, slots=True)
class Path:
    """A partial or finished solution. Growing makes a new one.

    Attributes:
        key: unique within a problem; ties break by it.
        steps: from the root [steps].
        scores: of those steps [steps]; shorter only while the PRM has not seen the newest, or where there is none.
        score: the aggregate of the scores, in [0, 1]; 0 for a root.
        state: see `State`.
        cut: a limit ended it after it had stated a complete answer; it is finished and votes.
        forced: its answer was asked for by `last_resort`, as the search had found none.
    """

    key: Key
    steps: tuple[Step, ...] = ()
    scores: tuple[float, ...] = ()
    score: float = 0.0
    state: State = "open"
    cut: bool = False
    forced: bool = False

    @property
    def ids(self) -> tuple[int, ...]:
        """Everything sampled so far [length]."""
        return tuple(chain.from_iterable([step.ids for step in self.steps]))

    @property
    def text(self) -> str:
        """The decoded solution so far."""
        return "".join([step.text for step in self.steps])

    @property
    def tokens(self) -> int:
        """How many tokens were sampled along the path."""
        return sum([len(step.ids) for step in self.steps])

    @property
    def is_open(self) -> bool:
        """Whether it can grow."""
        return self.state == "open"

    @property
    def is_finished(self) -> bool:
        """Whether it gave an answer or ended by itself; only then does it vote."""
        return self.state == "finished"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a search brings home.

    Attributes:
        pool: the finished paths in the order in which they were accepted [paths]; answers are selected from it.
        stopped: why the search ended.
        weights: of the pool's members in the weighted vote, at least 0, where the method has its own [paths]; empty
            where their scores weigh.
    """

    pool: tuple[Path, ...]
    stopped: Stopped
    weights: tuple[float, ...] = ()


def best(paths: Iterable[Path], count: int) -> list[Path]:
    """Keep the `count` best paths by score, best first; ties break by key, so that order of arrival never matters."""
    return sorted(paths, key=lambda path: (-path.score, path.key))[:count]


def finished_children(families: Iterable[Iterable[Path]]) -> list[Path]:
    """Collect the finished children of all families, in order."""
    return [child for family in families for child in family if child.is_finished]


def open_children(families: Iterable[Iterable[Path]]) -> list[Path]:
    """Collect the children of all families that can grow, in order."""
    return [child for family in families for child in family if child.is_open]


def name(key: Key) -> str:
    """Write a key as people read it: `0.2.1`."""
    return ".".join(map(str, key))
