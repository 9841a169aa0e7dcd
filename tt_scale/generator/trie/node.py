"""What follows every prefix that was asked about, as a trie of token ids; whoever comes by again draws from it."""

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
    """What a token is drawn by: the place of the likeliest one in the distribution function, and all of it on demand.

    Attributes:
        low: where the likeliest token begins.
        high: where it ends.
        total: where the last token ends.
        likeliest: its id.
        ends: where each token ends that can be drawn at all; empty before another than the likeliest is drawn.
        ids: of those tokens.
    """

    low: float
    high: float
    total: float
    likeliest: int
    ends: array[float] = field(default_factory=lambda: array("d"))
    ids: array[int] = field(default_factory=lambda: array("i"))


@dataclass(slots=True, eq=False)
class Node:
    """What follows a prefix.

    Attributes:
        logits: of the next token, as the model gave them: float32 [vocabulary]; None before it was asked.
        broken: whether they are no numbers.
        tables: by the number of a `Sampling`.
        children: by the next token.
        told: log-probability and confidence, by token and the number of likeliest tokens looked at.
    """

    logits: Any = None
    broken: bool = False
    tables: dict[int, _Table] = field(default_factory=dict)
    children: dict[int, Node] = field(default_factory=dict)
    logprobs: dict[tuple[int, int], tuple[float, float]] = field(default_factory=dict)


@dataclass(slots=True)
class Walk(Row):
    """A request on its way down the trie.

    Attributes:
        node: where it is.
        sampling_id: number of its `Sampling`.
    """

    node: Node = field(kw_only=True)
    sampling_id: int = field(kw_only=True)

    @property
    def prefix(self) -> tuple[int, ...]:
        """All ids up to where it is [length]."""
        return self.request.ids + tuple(self.ids)


class PrefixTrie:
    """Draws tokens as long as it is known what follows. Walks may go on in one thread while another learns.

    Args:
        ended: says why a row ends with its newest token; None where it goes on.
        most: prefixes whose logits are kept, at least 1.
    """

    def __init__(self, ended: Callable[[Row], Ended | None], most: int) -> None:
        self._ended = ended
        self._most = most
        self._size = 0
        self._starts: dict[tuple[int, ...], Node] = {}  # where requests begin
        self._sampling_ids: dict[Sampling, int] = {}

    def walk(self, request: StepRequest) -> Walk:
        """Begin to answer a request."""
        node = self._starts.get(request.ids)
        if node is None:
            node = self._starts.setdefault(request.ids, Node())
        sampling_id = self._sampling_ids.setdefault(request.sampling, len(self._sampling_ids))
        return Walk(request, uniforms_of(request), len(request.ids), node=node, sampling_id=sampling_id)

    def evict_if_full(self) -> None:
        """Let go of everything once more is kept than may be; walks under way keep what they stand on."""
        if self._size > self._most:
            self._starts.clear()
            self._size = 0

    def draw(self, walk: Walk) -> None:
        """Draw one token at a node whose logits are known, and go to where it leads."""
        node, request = walk.node, walk.request
        if node.broken:
            walk.ended, walk.error = "error", NOT_A_NUMBER
            return
        if walk.sampling_id not in node.tables:
            _tabulate([walk], _logits_of(node))
        table = node.tables[walk.sampling_id]
        place = walk.uniforms[len(walk.ids)] * table.total
        token = table.likeliest if table.low <= place < table.high else _invert(walk, table, place)
        if request.top_logprobs:
            logprob, confidence = _logprob_of(node, token, request.top_logprobs)
            walk.logprobs.append(logprob)
            walk.confidences.append(confidence)
        walk.ids.append(token)
        walk.ended = self._ended(walk)
        following = node.children.get(token)
        if following is None:
            following = node.children.setdefault(token, Node())
        walk.node = following
        if walk.ended in ("stop", "length"):  # the next request of its path begins here
            self._starts.setdefault(walk.prefix, following)

    def set_logits(self, waiting: Sequence[Sequence[Walk]], logits: Any) -> None:
        """Hang logits into the trie, with the tables that are drawn by at once.

        Args:
            waiting: those who wait at the same node, for each row, at least one [rows].
            logits: of the next token [rows, vocabulary].
        """
        import torch

        logits = logits.float().cpu()
        drawing = {(row, walk.sampling_id): walk for row, walks in enumerate(waiting) for walk in walks}
        _tabulate(list(drawing.values()), logits.index_select(0, torch.tensor([row for row, _ in drawing])))
        broken = logits.isnan().any(dim=-1).tolist()
        for walks, nonsense, row in zip(waiting, broken, logits.numpy(), strict=True):
            node = walks[0].node
            node.broken = nonsense
            node.logits = row  # last: another thread draws as soon as it sees them
        self._size += len(waiting)


def _tabulate(walks: Sequence[Walk], logits: Any) -> None:
    """Make the tables that walks draw by at their nodes; logits are of those nodes [walks, vocabulary]."""
    sampling, seen = _sampling_of(walks, logits)
    reached, likeliest = distribution(logits, sampling, seen)
    places = likeliest[:, None]
    highs = reached.gather(1, places).squeeze(1).tolist()
    lows = reached.gather(1, (places - 1).clamp(min=0)).squeeze(1).tolist()
    rows = zip(walks, lows, highs, reached[:, -1].tolist(), likeliest.tolist(), strict=True)
    for walk, low, high, total, token in rows:
        table = _Table(low if token else 0.0, high, total, token)
        if walk.request.sampling.temperature == 0:
            table = _Table(float("-inf"), float("inf"), total, token)
        walk.node.tables[walk.sampling_id] = table


def _invert(walk: Walk, table: _Table, place: float) -> int:
    """Find the token that a place in the distribution function belongs to."""
    if not table.ids:
        import numpy as np

        logits = _logits_of(walk.node)
        sampling, seen = _sampling_of([walk], logits)
        reached = distribution(logits, sampling, seen)[0][0].numpy()
        drawable = np.flatnonzero(np.diff(reached, prepend=0.0))
        table.ends = array("d", reached[drawable].tolist())
        table.ids = array("i", drawable.tolist())
    return table.ids[min(bisect_right(table.ends, place), len(table.ids) - 1)]


def _sampling_of(walks: Sequence[Walk], logits: Any) -> tuple[SamplingTensors, Any]:
    """How walks draw, and which tokens they have seen [walks, vocabulary]; None where none minds."""
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

    found = node.logprobs.get((token, top_logprobs))
    if found is None:
        [found] = likelihoods(_logits_of(node), torch.tensor([token]), [top_logprobs])
        node.logprobs[token, top_logprobs] = found
    return found


def _logits_of(node: Node) -> Any:
    import torch

    return torch.from_numpy(node.logits)[None]
