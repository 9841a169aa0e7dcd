"""Paths of a search tree, and the outcome of a search."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from tt_scale.core.records import Step

__all__ = [
    "Key",
    "Outcome",
    "Path",
    "State",
    "Stopped",
    "best",
    "finished_children",
    "name",
    "open_children",
    "tokens_on",
]

Key = tuple[int, ...]
"""Position of a path in the tree: the number of its root copy, then a child number for each expansion."""

State = Literal["open", "finished", "truncated", "failed", "unreadable"]
"""Only open paths are extended, only finished ones vote; an unreadable one exceeds the context of its PRM."""

Stopped = Literal["enough", "steps", "frontier", "budget", "timeout", "error"]
"""Why a search ended: enough finished paths, no expansions left, an empty frontier, the budget, the time limit of the
caller, or an error."""


@dataclass(frozen=True, slots=True)
class Path:
    """A partial or finished solution. Extending it creates a new one.

    Attributes:
        key: unique within a problem; ties break by it.
        steps: steps from the root [steps].
        scores: their scores [steps]; shorter only before the newest steps are scored, or without a PRM.
        score: aggregate of the scores, in [0, 1]; 0 for a root.
        state: see `State`.
        cut: whether a limit ended it after it had stated a complete answer; it is finished and votes.
        forced: whether `last_resort` prompted it for its answer because the search had found none.
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
        """All token ids sampled so far [length]."""
        return tuple(chain.from_iterable([step.ids for step in self.steps]))

    @property
    def text(self) -> str:
        """The decoded solution so far."""
        return "".join([step.text for step in self.steps])

    @property
    def tokens(self) -> int:
        """Number of tokens sampled along the path."""
        return sum([len(step.ids) for step in self.steps])

    @property
    def is_open(self) -> bool:
        """Whether it can be extended."""
        return self.state == "open"

    @property
    def is_finished(self) -> bool:
        """Whether it stated an answer or ended by itself; only then does it vote."""
        return self.state == "finished"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of a search.

    Attributes:
        pool: the finished paths in the order in which they were accepted [paths]; the answer is selected from it.
        stopped: why the search ended.
        weights: weights of the pool's members in the weighted vote, at least 0, if the method has its own [paths];
            empty if their scores are the weights.
    """

    pool: tuple[Path, ...]
    stopped: Stopped
    weights: tuple[float, ...] = ()


def best(paths: Iterable[Path], count: int) -> list[Path]:
    """Keep the `count` best paths by score, best first; ties break by key, so that the order of input never matters."""
    return sorted(paths, key=lambda path: (-path.score, path.key))[:count]


def finished_children(families: Iterable[Iterable[Path]]) -> list[Path]:
    """Collect the finished children of all families, in order."""
    return [child for family in families for child in family if child.is_finished]


def open_children(families: Iterable[Iterable[Path]]) -> list[Path]:
    """Collect the open children of all families, in order."""
    return [child for family in families for child in family if child.is_open]


def name(key: Key) -> str:
    """Format a key for people: `0.2.1`."""
    return ".".join(map(str, key))


def tokens_on(nodes: Iterable[Path], pool: Iterable[Path]) -> int:
    """How many of the generated tokens lie on a path of the pool; shared ones, also those of copies, count once.

    Args:
        nodes: every path of the tree [nodes].
        pool: some of them [paths].
    """
    by_key = {node.key: node for node in nodes}
    on_pool = {path.key[:end] for path in pool for end in range(2, len(path.key) + 1)}
    drawn = {id(by_key[key].steps): by_key[key] for key in on_pool if key in by_key}  # a copy has the same steps
    parents = [by_key.get(node.key[:-1]) for node in drawn.values()]
    return sum(
        [node.tokens - (parent.tokens if parent else 0) for node, parent in zip(drawn.values(), parents, strict=True)]
    )
