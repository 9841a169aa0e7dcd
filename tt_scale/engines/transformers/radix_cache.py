"""Keys and values of what a PRM has read: a tree of token ids, bounded, the least recently used let go first.

Paths of one search share their beginnings, so each beginning is held once and the tree branches where they part.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["RadixCache", "common_length"]

Ids = tuple[int, ...]


@dataclass(slots=True, eq=False)
class _Segment:
    """A stretch of ids without a branch, and the tensor that belongs to it [layers, 2, heads, ids, width]."""

    ids: Ids
    values: Any
    parent: _Segment | None
    children: dict[int, _Segment] = field(default_factory=dict)


class RadixCache:
    """Finds the longest beginning of a text that was read before.

    Args:
        capacity: most tokens that are held, at least 1.

    Attributes:
        size: tokens that are held.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self.size = 0
        self._root = _Segment((), None, None)
        # Oldest first. Whoever is used makes its parents newer than itself, so the oldest never has children.
        self._by_use: OrderedDict[_Segment, None] = OrderedDict()

    def match_length(self, ids: Ids) -> int:
        """How many of the first ids are held."""
        return sum([count for _, count in self._walk(ids)])

    def match_prefix(self, ids: Ids) -> tuple[int, list[Any]]:
        """Look the longest beginning up.

        Returns:
            Its length, and its tensors [layers, 2, heads, tokens, width], to be joined along the tokens.
        """
        steps = self._walk(ids)
        self._touch([segment for segment, _ in steps])
        return sum([count for _, count in steps]), [segment.values[..., :count, :] for segment, count in steps]

    def insert(self, ids: Ids, start: int, values: Any) -> None:
        """Keep what was computed of a text.

        Args:
            ids: the whole text.
            start: how many of its ids were held before. If they are held no more, nothing is kept.
            values: of the ids from there on [layers, 2, heads, ids - start, width]; not to be changed afterwards.
        """
        steps = self._walk(ids)
        held = sum([count for _, count in steps])
        if held < start:
            return
        parent = self._root
        if steps:
            last, count = steps[-1]
            parent = steps[-1][0] if count == len(last.ids) else self._split(last, count)
        path = [segment for segment, _ in steps[:-1]] + ([] if parent is self._root else [parent])
        if held < len(ids):
            # A copy, where only a part is kept: a view would hold the memory of the whole.
            kept = values if held == start else values[..., held - start :, :].clone()
            path.append(self._append(parent, ids[held:], kept))
            self.size += len(ids) - held
        self._touch(path)
        while self.size > self._capacity:
            self._evict_oldest()

    def clear(self) -> None:
        """Forget everything."""
        self._root.children.clear()
        self._by_use.clear()
        self.size = 0

    def _walk(self, ids: Ids) -> list[tuple[_Segment, int]]:
        """Segments along a text, and how many ids of each it shares; all of them, but perhaps of the last."""
        found: list[tuple[_Segment, int]] = []
        at, segment = 0, self._root
        while at < len(ids) and (child := segment.children.get(ids[at])) is not None:
            count = common_length(child.ids, ids[at : at + len(child.ids)])
            found.append((child, count))
            if count < len(child.ids):
                break
            at, segment = at + count, child
        return found

    def _split(self, lower: _Segment, count: int) -> _Segment:
        """Put a branching point behind the first ids of a segment; the new upper part is returned."""
        parent = lower.parent
        assert parent is not None
        upper = self._append(parent, lower.ids[:count], lower.values[..., :count, :].clone())
        lower.ids, lower.values = lower.ids[count:], lower.values[..., count:, :].clone()
        lower.parent = upper
        upper.children[lower.ids[0]] = lower
        return upper

    def _append(self, parent: _Segment, ids: Ids, values: Any) -> _Segment:
        child = parent.children[ids[0]] = _Segment(ids, values, parent)
        self._by_use[child] = None
        return child

    def _touch(self, path: Sequence[_Segment]) -> None:
        for segment in reversed(path):
            self._by_use.move_to_end(segment)

    def _evict_oldest(self) -> None:
        segment, _ = self._by_use.popitem(last=False)
        assert segment.parent is not None
        assert not segment.children
        del segment.parent.children[segment.ids[0]]
        self.size -= len(segment.ids)


def common_length(one: Ids, other: Ids) -> int:
    """How many ids two texts have in common before they part."""
    if one == other:
        return len(one)
    pairs = zip(one, other, strict=False)
    return next((place for place, (left, right) in enumerate(pairs) if left != right), min(len(one), len(other)))
