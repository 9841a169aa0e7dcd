"""Trie that caches next-token logits per prefix and shares them across requests."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tt_scale.core.records import Ended, Sampling, StepRequest
from tt_scale.generator.decoding import NOT_A_NUMBER, Row, uniforms_of
from tt_scale.generator.sampling import SamplingTensors, distribution, likelihoods

__all__ = ["Node", "PrefixTrie", "Walk"]


@dataclass(slots=True, eq=False)
class _Table:
    """The cumulative distribution that tokens are drawn from: the likeliest token's interval; the rest is added lazily.

    Attributes:
        low: start of the likeliest token's interval.
        high: end of the likeliest token's interval.
        total: end of the last interval.
        likeliest: id of the likeliest token.
        ends: ends of the intervals of all tokens with positive probability; empty until a less likely one is drawn.
        ids: ids of these tokens.
    """

    low: float
    high: float
    total: float
    likeliest: int
    ends: array[float] = field(default_factory=lambda: array("d"))
    ids: array[int] = field(default_factory=lambda: array("i"))


@dataclass(slots=True, eq=False)
class Node:
    """A prefix, with its next-token logits.

    Attributes:
        logits: raw next-token logits, float32 [vocabulary]; None until they are computed.
        broken: whether the logits contain NaN.
        tables: cumulative distributions, by the number of a `Sampling`.
        children: child nodes, by next token.
        logprobs: log-probability and confidence, by token and `top_logprobs`.
    """

    logits: Any = None
    broken: bool = False
    tables: dict[int, _Table] = field(default_factory=dict)
    children: dict[int, Node] = field(default_factory=dict)
    logprobs: dict[tuple[int, int], tuple[float, float]] = field(default_factory=dict)


@dataclass(slots=True)
class Walk(Row):
    """A request that descends the trie.

    Attributes:
        node: current node.
        sampling_id: number of its `Sampling`.
    """

    node: Node = field(kw_only=True)
    sampling_id: int = field(kw_only=True)

    @property
    def prefix(self) -> tuple[int, ...]:
        """Prompt and sampled ids up to the current node [length]."""
        return self.request.ids + tuple(self.ids)


class PrefixTrie:
    """Draws tokens from cached logits. `draw` may run in one thread while `set_logits` runs in another.

    Args:
        ended: returns why a row ends with its newest token; None if it continues.
        most: largest number of prefixes whose logits are cached, at least 1.
    """

    def __init__(self, ended: Callable[[Row], Ended | None], most: int) -> None:
        self._ended = ended
        self._most = most
        self._size = 0
        self._starts: dict[tuple[int, ...], Node] = {}  # nodes of prompts
        self._sampling_ids: dict[Sampling, int] = {}

    def walk(self, request: StepRequest) -> Walk:
        """Start a request at the node of its prompt."""
        node = self._starts.get(request.ids)
        if node is None:
            node = self._starts.setdefault(request.ids, Node())
        sampling_id = self._sampling_ids.setdefault(request.sampling, len(self._sampling_ids))
        return Walk(request, uniforms_of(request), len(request.ids), node=node, sampling_id=sampling_id)

    def evict_if_full(self) -> None:
        """Evict all nodes if there are too many; walks in progress keep a reference to theirs."""
        if self._size > self._most:
            self._starts.clear()
            self._size = 0

    def draw(self, walk: Walk) -> None:
        """Draw one token at a node with cached logits, and move the walk to the child."""
        node, request = walk.node, walk.request
        if node.broken:
            walk.ended, walk.error = "error", NOT_A_NUMBER
            return
        if walk.sampling_id not in node.tables:
            _tabulate([walk], _logits_of(node))
        table = node.tables[walk.sampling_id]
        target = walk.uniforms[len(walk.ids)] * table.total
        token = table.likeliest if table.low <= target < table.high else _invert(walk, table, target)
        if request.top_logprobs:
            logprob, confidence = _logprob_of(node, token, request.top_logprobs)
            walk.logprobs.append(logprob)
            walk.confidences.append(confidence)
        walk.ids.append(token)
        walk.ended = self._ended(walk)
        child = node.children.get(token)
        if child is None:
            child = node.children.setdefault(token, Node())
        walk.node = child
        if walk.ended in ("stop", "length"):  # the next request of its path starts here
            self._starts.setdefault(walk.prefix, child)

    def set_logits(self, waiting: Sequence[Sequence[Walk]], logits: Any) -> None:
        """Store computed logits at their nodes, with the tables that the waiting walks need.

        Args:
            waiting: walks that wait at the node of each row, at least one [rows].
            logits: logits of the next token [rows, vocabulary].
        """
        import torch

        logits = logits.float().cpu()
        drawing = {(row, walk.sampling_id): walk for row, walks in enumerate(waiting) for walk in walks}
        _tabulate(list(drawing.values()), logits.index_select(0, torch.tensor([row for row, _ in drawing])))
        broken = logits.isnan().any(dim=-1).tolist()
        for walks, is_nan, row in zip(waiting, broken, logits.numpy(), strict=True):
            node = walks[0].node
            node.broken = is_nan
            node.logits = row  # set last: another thread draws as soon as it is not None
        self._size += len(waiting)


def _tabulate(walks: Sequence[Walk], logits: Any) -> None:
    """Compute the tables of walks at their nodes from the nodes' logits [walks, vocabulary]."""
    sampling, seen = _sampling_of(walks, logits)
    cumulative, likeliest = distribution(logits, sampling, seen)
    indices = likeliest[:, None]
    highs = cumulative.gather(1, indices).squeeze(1).tolist()
    lows = cumulative.gather(1, (indices - 1).clamp(min=0)).squeeze(1).tolist()
    rows = zip(walks, lows, highs, cumulative[:, -1].tolist(), likeliest.tolist(), strict=True)
    for walk, low, high, total, token in rows:
        table = _Table(low if token else 0.0, high, total, token)
        if walk.request.sampling.temperature == 0:
            table = _Table(float("-inf"), float("inf"), total, token)
        walk.node.tables[walk.sampling_id] = table


def _invert(walk: Walk, table: _Table, target: float) -> int:
    """Return the token whose interval contains a value of the cumulative distribution."""
    if not table.ids:
        import numpy as np

        logits = _logits_of(walk.node)
        sampling, seen = _sampling_of([walk], logits)
        cumulative = distribution(logits, sampling, seen)[0][0].numpy()
        possible = np.flatnonzero(np.diff(cumulative, prepend=0.0))
        table.ends = array("d", cumulative[possible].tolist())
        table.ids = array("i", possible.tolist())
    return table.ids[min(bisect_right(table.ends, target), len(table.ids) - 1)]


def _sampling_of(walks: Sequence[Walk], logits: Any) -> tuple[SamplingTensors, Any]:
    """Return the sampling parameters of walks, and their seen tokens [walks, vocabulary]; None without penalties."""
    import torch

    sampling = SamplingTensors.of([walk.request.sampling for walk in walks], logits.device)
    if all(walk.request.sampling.repetition_penalty == 1 for walk in walks):
        return sampling, None
    seen = torch.zeros_like(logits, dtype=torch.bool)
    for row, walk in enumerate(walks):
        seen[row, list(walk.prefix)] = True
    return sampling, seen


def _logprob_of(node: Node, token: int, top_logprobs: int) -> tuple[float, float]:
    import torch

    pair = node.logprobs.get((token, top_logprobs))
    if pair is None:
        [pair] = likelihoods(_logits_of(node), torch.tensor([token]), [top_logprobs])
        node.logprobs[token, top_logprobs] = pair
    return pair


def _logits_of(node: Node) -> Any:
    import torch

    return torch.from_numpy(node.logits)[None]
