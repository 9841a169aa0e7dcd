"""A search as a tree of steps: the outcome of each, its marks, and the order of events."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from tt_scale.bench.reader.search_record import EventRecord, Member, Node, SearchRecord, StepRecord

__all__ = ["KINDS", "MARKS", "QUESTION", "Frame", "Kind", "SearchTree", "TreeStep", "grow_tree"]

Kind = Literal["answer", "pool", "continued", "rejected", "truncated", "failed", "unreadable"]

KINDS: Mapping[Kind, str] = {
    "answer": "ends the path whose answer was chosen",
    "pool": "ends a finished path of the pool",
    "continued": "expanded further",
    "rejected": "not expanded further",
    "truncated": "cut by a limit, without an answer",
    "failed": "the request failed",
    "unreadable": "exceeds the context of the PRM",
}
"""Outcomes of a step, and their meaning."""

MARKS: Mapping[str, str] = {
    "retried": "its next step was sampled again",
    "protected": "passed while too few others did, and was kept for the next attempt",
    "jumped": "expanded although too few paths passed",
    "cut": "a limit ended it after it had stated an answer",
    "forced": "prompted for its answer as a last resort",
    "rescued": "rejected, but added to the pool because there was no other answer",
    "left": "stopped early by the method",
}
"""Marks of a step, and their meaning."""

EVENT_MARKS: Mapping[str, str] = {"retry": "retried", "jump": "jumped", "rescue": "rescued", "left": "left"}

PROTECTING = frozenset({"collective"})
"""Methods whose children that pass are kept while their parents are retried."""

QUESTION = ""
"""The id of the root, of which the first steps are children."""


@dataclass(frozen=True, slots=True)
class TreeStep:
    """One step of one path.

    Attributes:
        id: the key of its node, and which of the node's steps it is where there are several: "0.2.1" or "0.4/3".
        parent: the id of the step before; `QUESTION` for a first step.
        depth: 1 for a first step.
        node: that added it.
        order: of the node, from 0.
        step: as recorded.
        score: of the step, in [0, 1]; None where it has none.
        parts: score of each of several PRMs, by name.
        kind: its outcome.
        marks: names in `MARKS`.
        useful: whether it lies on a path of the pool.
        chosen: whether it lies on the path of the answer.
        member: of the pool, where the path ends here.
        copies: how many equal siblings it stands for, itself included; 0 for one that another stands for.
    """

    id: str
    parent: str
    depth: int
    node: Node
    order: int
    step: StepRecord
    score: float | None
    parts: Mapping[str, float]
    kind: Kind
    marks: tuple[str, ...]
    useful: bool
    chosen: bool
    member: Member | None
    copies: int = 1


@dataclass(frozen=True, slots=True)
class Frame:
    """Something that happened in a search.

    Attributes:
        kind: "grow", or that of an event.
        ids: the steps that were added, or the paths that the event concerns; a path is named by its last step.
        created: how many nodes the tree has then.
    """

    kind: str
    ids: tuple[str, ...]
    created: int


@dataclass(frozen=True)
class SearchTree:
    """The steps of a search.

    Attributes:
        steps: parents before children [steps].
        frames: in the order in which they happened.
        ends: node key -> id of the last step of its path.
    """

    steps: Sequence[TreeStep]
    frames: Sequence[Frame]
    ends: Mapping[str, str]

    @cached_property
    def by_id(self) -> Mapping[str, TreeStep]:
        """The steps by id."""
        return {step.id: step for step in self.steps}

    def children(self) -> Mapping[str, list[TreeStep]]:
        """Parent id -> its children in order of creation."""
        found: dict[str, list[TreeStep]] = defaultdict(list)
        for step in self.steps:
            found[step.parent].append(step)
        return found


def grow_tree(search: SearchRecord, method: str, tau: float | None) -> SearchTree:
    """Lay a search out as a tree of steps.

    Args:
        search: with its tree.
        method: that searched.
        tau: the score at which a step passes, if the method has such a threshold.
    """
    chosen = search.chosen
    pool = {member.key: member for member in search.pool}
    marks = _marks(search, tau if method in PROTECTING else None)
    paths = _paths(search.nodes)
    useful = {step for key in pool for step in paths.get(key, ())}
    best = set(paths.get(chosen.key, ())) if chosen is not None else set()
    grown = {step for path in paths.values() for step in path[:-1]}
    steps = []
    for order, node in enumerate(search.nodes):
        path = paths[node.key]
        for place in range(len(path) - max(len(node.steps), 1), len(path)):
            last = place == len(path) - 1
            own = place - (len(path) - max(len(node.steps), 1))
            member = pool.get(node.key) if last else None
            steps.append(
                TreeStep(
                    id=path[place],
                    parent=path[place - 1] if place else QUESTION,
                    depth=place + 1,
                    node=node,
                    order=order,
                    step=node.steps[own] if node.steps else StepRecord("", 0, "error", 0, 0.0, 0, ""),
                    score=node.scores[own] if own < len(node.scores) else None,
                    parts={prm: values[own] for prm, values in node.parts.items() if own < len(values)},
                    kind=_kind(node, member, member is not None and member is chosen, path[place] in grown),
                    marks=marks.get(node.key, ()) if last else (),
                    useful=path[place] in useful,
                    chosen=path[place] in best,
                    member=member,
                )
            )
    ends = {key: path[-1] for key, path in paths.items() if path}
    return SearchTree(_folded(steps), list(_frames(search, ends)), ends)


def _paths(nodes: Sequence[Node]) -> dict[str, tuple[str, ...]]:
    """Node key -> the ids of all steps of its path, from the first."""
    paths: dict[str, tuple[str, ...]] = {}
    for node in nodes:
        count = len(node.steps)
        own = [node.key] if count < 2 else [f"{node.key}/{place}" for place in range(1, count + 1)]
        paths[node.key] = (*paths.get(node.parent, ())[: node.kept], *own)
    return paths


def _kind(node: Node, member: Member | None, is_answer: bool, has_children: bool) -> Kind:
    if has_children:
        return "continued"
    if member is not None:
        return "answer" if is_answer else "pool"
    found: dict[str, Kind] = {"truncated": "truncated", "failed": "failed", "unreadable": "unreadable"}
    return found.get(node.state, "rejected")


def _marks(search: SearchRecord, tau: float | None) -> dict[str, tuple[str, ...]]:
    """Node key -> its marks, in the order of `MARKS`."""
    found: dict[str, set[str]] = defaultdict(set)
    for event in search.events:
        if event.kind in EVENT_MARKS:
            for key in event.keys:
                found[key].add(EVENT_MARKS[event.kind])
    for node in search.nodes:
        found[node.key].update([name for name in ("cut", "forced") if getattr(node, name)])
    if tau is not None:
        for key in _protected(search, tau):
            found[key].add("protected")
    return {key: tuple([name for name in MARKS if name in names]) for key, names in found.items()}


def _protected(search: SearchRecord, tau: float) -> Iterator[str]:
    """Children that passed on an attempt after which all stepped back."""
    for event in search.events:
        if event.kind == "backtrack":
            for node in search.nodes[: event.created]:
                if node.parent in event.keys and node.state == "open" and node.score >= tau:
                    yield node.key


def _frames(search: SearchRecord, ends: Mapping[str, str]) -> Iterator[Frame]:
    """Batches of nodes, and the events between them."""
    events = sorted(search.events, key=lambda event: event.created)
    start = 0
    for event in [*events, EventRecord("", (), len(search.nodes))]:
        for batch in _batches(search.nodes[start : event.created]):
            start += len(batch)
            yield Frame("grow", tuple([ends[node.key] for node in batch]), start)
        if event.kind:
            yield Frame(event.kind, tuple([ends.get(key, QUESTION) for key in event.keys]), start)


def _batches(nodes: Sequence[Node]) -> Iterator[list[Node]]:
    """Nodes that grew together: equally deep, the children of each parent side by side."""
    batch: list[Node] = []
    parents: set[str] = set()
    for node in nodes:
        again = batch and node.parent != batch[-1].parent and node.parent in parents
        if batch and (again or node.key.count(".") != batch[-1].key.count(".")):
            yield batch
            batch, parents = [], set()
        batch.append(node)
        parents.add(node.parent)
    if batch:
        yield batch


def _folded(steps: Sequence[TreeStep]) -> list[TreeStep]:
    """Count equal siblings: of the same text and outcome, with equal descendants.

    The first of them stands for all, or the one that leads to the answer.
    """
    below: dict[str, Counter[int]] = defaultdict(Counter)
    shapes: dict[str, int] = {}
    known: dict[object, int] = {}
    for step in reversed(steps):
        kind = "pool" if step.kind == "answer" else step.kind
        shape = (step.step.text, step.step.ended, kind, step.marks, frozenset(below[step.id].items()))
        shapes[step.id] = known.setdefault(shape, len(known))
        below[step.parent][shapes[step.id]] += 1
    groups: dict[tuple[str, int], list[TreeStep]] = defaultdict(list)
    for step in steps:
        groups[step.parent, shapes[step.id]].append(step)
    copies = {step.id: 0 for step in steps}
    for group in groups.values():
        copies[min(group, key=lambda step: not step.chosen).id] = len(group)
    return [replace(step, copies=copies[step.id]) for step in steps]
