"""Radix cache of keys and values: a tree over token ids with bounded size and LRU eviction.

Paths of one search share prefixes. Each prefix is stored once, and the tree branches where paths differ.
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
    """A node of the tree: a run of ids without a branch, and its tensor [layers, 2, heads, ids, width]."""

    ids: Ids
    values: Any
    parent: _Segment | None
    children: dict[int, _Segment] = field(default_factory=dict)


class RadixCache:
    """Maps prefixes of token ids to their keys and values.

    Args:
        capacity: largest number of cached tokens, at least 1.

    Attributes:
        size: number of cached tokens.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self.size = 0
        self._root = _Segment((), None, None)
        # Oldest first. A use of a segment makes its parents newer than the segment, so the oldest has no children.
        self._by_use: OrderedDict[_Segment, None] = OrderedDict()

    def match_length(self, ids: Ids) -> int:
        """Return the length of the longest cached prefix."""
        return sum([count for _, count in self._walk(ids)])

    def match_prefix(self, ids: Ids) -> tuple[int, list[Any]]:
        """Find the longest cached prefix, and mark it as recently used.

        Returns:
            Its length, and its tensors [layers, 2, heads, tokens, width], to be joined along the tokens.
        """
        steps = self._walk(ids)
        self._touch([segment for segment, _ in steps])
        return sum([count for _, count in steps]), [segment.values[..., :count, :] for segment, count in steps]

    def insert(self, ids: Ids, start: int, values: Any) -> None:
        """Insert the keys and values of a sequence.

        Args:
            ids: ids of the whole sequence.
            start: length of its prefix that was cached. If that prefix has been evicted, nothing is inserted.
            values: keys and values behind `start` [layers, 2, heads, ids - start, width]; must not be changed later.
        """
        steps = self._walk(ids)
        cached = sum([count for _, count in steps])
        if cached < start:
            return
        parent = self._root
        if steps:
            last, count = steps[-1]
            parent = steps[-1][0] if count == len(last.ids) else self._split(last, count)
        path = [segment for segment, _ in steps[:-1]] + ([] if parent is self._root else [parent])
        if cached < len(ids):
            # Copy a part: a view would keep the memory of the whole tensor.
            new = values if cached == start else values[..., cached - start :, :].clone()
            path.append(self._append(parent, ids[cached:], new))
            self.size += len(ids) - cached
        self._touch(path)
        while self.size > self._capacity:
            self._evict_oldest()

    def clear(self) -> None:
        """Remove all entries."""
        self._root.children.clear()
        self._by_use.clear()
        self.size = 0

    def _walk(self, ids: Ids) -> list[tuple[_Segment, int]]:
        """Return the segments along a sequence, and how many ids of each match; only the last may match partially."""
        matched: list[tuple[_Segment, int]] = []
        start, segment = 0, self._root
        while start < len(ids) and (child := segment.children.get(ids[start])) is not None:
            count = common_length(child.ids, ids[start : start + len(child.ids)])
            matched.append((child, count))
            if count < len(child.ids):
                break
            start, segment = start + count, child
        return matched

    def _split(self, lower: _Segment, count: int) -> _Segment:
        """Split a segment after its first `count` ids, and return the new upper part."""
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
    """Return the length of the common prefix of two sequences."""
    if one == other:
        return len(one)
    pairs = zip(one, other, strict=False)
    return next((index for index, (left, right) in enumerate(pairs) if left != right), min(len(one), len(other)))
