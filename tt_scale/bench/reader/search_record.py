"""One line of `problems.jsonl` as typed records, of any version of the format."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite
from typing import Any, get_args

from tt_scale.bench.record import Row, unpack, unpack_tree
from tt_scale.core.selection import SELECTORS, Candidate
from tt_scale.grading import Grade
from tt_scale.space.tape import Tape

__all__ = ["EventRecord", "Member", "Node", "Row", "SearchRecord", "StepRecord", "checked_row"]

GRADES = get_args(Grade)


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step of a path.

    Attributes:
        text: as it was generated, delimiter included.
        tokens: sampled for it.
        ended: why it ended; see `core.records.Ended`.
        seed: of the request that drew it.
        temperature: at which it was drawn.
        cached: prompt tokens of that request that the engine had in its cache.
        error: what went wrong; empty where nothing did.
    """

    text: str
    tokens: int
    ended: str
    seed: int
    temperature: float
    cached: int
    error: str

    @property
    def counted_tokens(self) -> int | None:
        """Tokens; None if it has text and none were counted, as a step of a recorded sample without counts."""
        return None if self.text and not self.tokens else self.tokens


@dataclass(frozen=True, slots=True)
class Node:
    """One path of a tree, by what it adds to its parent.

    Attributes:
        key: as it is written, "0.2.1".
        state: see `core.path.State`.
        score: the aggregate of the whole path, in [0, 1].
        kept: how many of the parent's steps it keeps.
        steps: that it adds [steps].
        scores: of those steps, in [0, 1] [steps]; fewer where the PRM has not seen them.
        parts: where several PRMs scored, each one's scores by its name [steps].
        usage: what it cost, by the names of `core.budget.Usage`.
        cut: a limit ended it after it had stated an answer.
        forced: its answer was asked for as a last resort.
    """

    key: str
    state: str
    score: float
    kept: int
    steps: tuple[StepRecord, ...]
    scores: tuple[float, ...]
    parts: Mapping[str, tuple[float, ...]]
    usage: Mapping[str, float]
    cut: bool
    forced: bool

    @property
    def parent(self) -> str:
        """The key of the path that it grew from."""
        return self.key.rpartition(".")[0]

    @property
    def tokens(self) -> int:
        """Sampled for the steps that it adds."""
        return sum([step.tokens for step in self.steps])


@dataclass(frozen=True, slots=True)
class Member:
    """One path of a pool.

    Attributes:
        key: of its node.
        answer: that it states, if any.
        answer_class: which members' answers are equal; -1 where it states none.
        grade: of the answer.
        score: that selectors saw, in [0, 1].
        tokens: along the path.
        weight: in the weighted vote; None takes the score.
        cut: a limit ended it after it had stated its answer.
        forced: its answer was asked for as a last resort.
    """

    key: str
    answer: str | None
    answer_class: int
    grade: str
    score: float
    tokens: int
    weight: float | None
    cut: bool
    forced: bool


@dataclass(frozen=True, slots=True)
class EventRecord:
    """Something that the method did beside growing paths.

    Attributes:
        kind: "retry", "backtrack", "jump", "left", "rescue", "timeout", or one of a third-party method.
        keys: the paths that it concerns.
        created: how many nodes the tree had when it happened.
    """

    kind: str
    keys: tuple[str, ...]
    created: int


@dataclass(frozen=True)
class SearchRecord:
    """Everything that a run recorded of one search.

    Attributes:
        row: its numbers.
        subject: of the problem, if the set has subjects.
        question: of the problem.
        selector: that chose the answer; empty where the search failed.
        pool: finished paths in order of acceptance [members].
        events: in the order in which they happened.
        nodes: of the tree, in the order in which they were created.
        record: its line as JSON, tree and tape packed.
        version: of the format of its line, from 1; docs/journal.md describes them.
    """

    row: Row
    subject: str | None
    question: str
    selector: str
    pool: tuple[Member, ...]
    events: tuple[EventRecord, ...]
    nodes: tuple[Node, ...] = field(repr=False)
    record: Mapping[str, Any] = field(repr=False)
    version: int = 1

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> SearchRecord:
        """Read a record, whether its tree is packed or not.

        Raises:
            ValueError, KeyError, TypeError: it is no such record.
        """
        return cls(
            row=checked_row(record),
            subject=_optional(record.get("subject"), _text),
            question=_text(record["question"]),
            selector=_text(record["selector"]),
            pool=tuple([_member(each) for each in record["pool"]]),
            events=tuple([_event(each) for each in record["events"]]),
            nodes=tuple([_node(each) for each in unpack_tree(record)]),
            record=record,
            version=_whole(record.get("v", 1)),
        )

    @cached_property
    def tape(self) -> Tape | None:
        """What the search was given by generator, PRM and clock; read when it is first asked for.

        None in lines of version 1, and where it could not be written.

        Raises:
            ValueError: it is damaged.
        """
        tape: Tape | None = unpack(self.record)["tape"]
        return tape

    @cached_property
    def chosen(self) -> Member | None:
        """Member of the pool whose answer is the search's; None without an answer.

        The selector of a third party is not run again: then it is the first member with that answer.
        """
        select = SELECTORS.get(self.selector)
        if select is None:
            answered = [each for each in self.pool if each.answer is not None and each.answer == self.row.answer]
            return next(iter(answered), None)
        index = select([Candidate(each.answer_class, each.score, each.weight) for each in self.pool])
        return None if index is None else self.pool[index]

    @cached_property
    def path_steps(self) -> Mapping[str, tuple[StepRecord, ...]]:
        """Node key -> all steps of its path, from the first [steps]."""
        paths: dict[str, tuple[StepRecord, ...]] = {}
        for node in self.nodes:
            paths[node.key] = (*paths.get(node.parent, ())[: node.kept], *node.steps)
        return paths

    @cached_property
    def path_scores(self) -> Mapping[str, tuple[float, ...]]:
        """Node key -> the scores of all steps of its path, from the first [steps]."""
        paths: dict[str, tuple[float, ...]] = {}
        for node in self.nodes:
            paths[node.key] = (*paths.get(node.parent, ())[: node.kept], *node.scores)
        return paths


def checked_row(record: Mapping[str, Any]) -> Row:
    """Take the numbers out of a record, and make sure that each is what it should be.

    Raises:
        ValueError, KeyError, TypeError: one is not.
    """
    row = Row.of({**record, "usage": _numbers(record["usage"]), "telemetry": _numbers(record["telemetry"])})
    for name in ("index", "repeat"):
        _whole(getattr(row, name))
    for name in ("id", "gold", "stopped", "error"):
        _text(getattr(row, name))
    _optional(row.answer, _text)
    _optional(row.level, _whole)
    _one_of(row.grade, GRADES)
    return row


def _node(told: Mapping[str, Any]) -> Node:
    return Node(
        key=_text(told["key"]),
        state=_text(told["state"]),
        score=_number(told["score"]),
        kept=_whole(told.get("from", 0)),
        steps=tuple([_step(each) for each in told["steps"]]),
        scores=_scores(told["scores"]),
        parts={_text(prm): _scores(own) for prm, own in told.get("parts", {}).items()},
        usage=_numbers(told.get("usage", {})),
        cut=bool(told.get("cut", False)),
        forced=bool(told.get("forced", False)),
    )


def _step(told: Mapping[str, Any]) -> StepRecord:
    return StepRecord(
        text=_text(told["text"]),
        tokens=len(told["ids"]),
        ended=_text(told["ended"]),
        seed=_whole(told.get("seed", 0)),
        temperature=_number(told.get("temperature", 0.0)),
        cached=_whole(told.get("cached", 0)),
        error=_text(told.get("error", "")),
    )


def _member(told: Mapping[str, Any]) -> Member:
    return Member(
        key=_text(told["key"]),
        answer=_optional(told["answer"], _text),
        answer_class=_whole(told["class"]),
        grade=_one_of(told["grade"], GRADES),
        score=_number(told["score"]),
        tokens=_whole(told["tokens"]),
        weight=_optional(told.get("weight"), _number),
        cut=bool(told.get("cut", False)),
        forced=bool(told.get("forced", False)),
    )


def _event(told: Mapping[str, Any]) -> EventRecord:
    return EventRecord(_text(told["kind"]), tuple([_text(key) for key in told["keys"]]), _whole(told["created"]))


def _scores(values: Sequence[Any]) -> tuple[float, ...]:
    return tuple([_number(value) for value in values])


def _numbers(told: Mapping[str, Any]) -> dict[str, Any]:
    for value in told.values():
        _number(value)
    return dict(told)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ValueError(f"{value!r} is not a number")
    return value


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{value!r} is not a whole number")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a text")
    return value


def _one_of(value: Any, allowed: Sequence[str]) -> str:
    if value not in allowed:
        raise ValueError(f"{value!r} is none of {', '.join(allowed)}")
    return str(value)


def _optional(value: Any, read: Callable[[Any], Any]) -> Any:
    return None if value is None else read(value)
