"""Batched PRM forward pass on Transformers that reuses cached prefixes.

A row of a batch holds the cached keys and values of its prefix, padded on the left, and its new ids, padded on the
right. The left padding is masked; the right padding lies behind every position that is scored. Position ids are those
of the unpadded text. Rows with a similar number of new ids share a batch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any, Protocol

from tt_scale.engines.transformers.kv_batch import build_cache, bytes_per_token, extract_kv
from tt_scale.engines.transformers.radix_cache import RadixCache, common_length
from tt_scale.prm.adapters.base import ScoringInput

if TYPE_CHECKING:
    from tt_scale.config import Config

__all__ = ["MAX_BATCH_TOKENS", "PrefixReader", "ReadResult", "ScoreReadout", "cache_capacity"]

MAX_BATCH_TOKENS = 16_384
"""Largest batch, in padded tokens."""
MIN_SHARED_TOKENS = 32
"""Smallest uncached prefix, in tokens, that inputs of a batch share and that is worth a forward pass of its own."""


class ScoreReadout(Protocol):
    """A model, and the values that its head computes from hidden states.

    Attributes:
        base: the model without a head.
    """

    base: Any

    def values(self, hidden: Any, scoring_input: ScoringInput) -> Any:
        """Turn last hidden states at the positions of an input [positions, width] into values [positions]."""


@dataclass(frozen=True, slots=True)
class ReadResult:
    """Values of one input, and how many tokens were computed for them.

    Attributes:
        values: one value for each position; of a scorer, the probability of "right" [positions].
        computed: tokens that were not taken from the cache.
    """

    values: tuple[float, ...]
    computed: int


@dataclass(frozen=True, slots=True)
class _BatchRow:
    item: ScoringInput
    past: int
    kv_chunks: list[Any]

    @property
    def new(self) -> tuple[int, ...]:
        return self.item.ids[self.past :]


class PrefixReader:
    """Runs a model over batches of inputs and caches keys and values by prefix; not thread-safe.

    Args:
        model: the model, and the values to compute.
        capacity: tokens whose keys and values are cached; 0 disables the cache.
    """

    def __init__(self, model: ScoreReadout, capacity: int) -> None:
        self._model = model
        self._device = next(model.base.parameters()).device
        self._kv_cache = RadixCache(capacity) if capacity > 0 else None

    def read(self, inputs: Sequence[ScoringInput]) -> list[ReadResult]:
        """Compute the values of inputs; equal inputs and shared prefixes are computed once [inputs]."""
        import torch

        distinct = list(dict.fromkeys(inputs))
        with torch.inference_mode():
            computed = self._read_shared_prefixes(distinct)
            values = {}
            for row, row_values in self._read_grouped(distinct):
                values[row.item] = row_values
                computed[row.item] += len(row.new)
        # The first of several equal inputs carries the cost: `pop` leaves 0 for the others.
        return [ReadResult(values[item], computed.pop(item, 0)) for item in inputs]

    def clear(self) -> None:
        """Release all cached keys and values."""
        if self._kv_cache is not None:
            self._kv_cache.clear()

    def _read_shared_prefixes(self, inputs: Sequence[ScoringInput]) -> Counter[ScoringInput]:
        """Compute uncached prefixes that several inputs share, shortest first; return the tokens computed by input."""
        computed: Counter[ScoringInput] = Counter()
        done: set[tuple[int, ...]] = set()
        while prefixes := [ids for ids in self._uncached_prefixes(inputs) if ids not in done]:
            done.update(prefixes)
            for row, _ in self._read_grouped([ScoringInput(ids, ()) for ids in prefixes]):
                ids = row.item.ids
                first = next(item for item in inputs if item.ids[: len(ids)] == ids)
                computed[first] += len(row.new)
        return computed

    def _uncached_prefixes(self, inputs: Sequence[ScoringInput]) -> list[tuple[int, ...]]:
        if self._kv_cache is None:
            return []
        shared = set()
        for one, other in pairwise(sorted(inputs, key=lambda item: item.ids)):
            useful = min(common_length(one.ids, other.ids), one.positions[0], other.positions[0])
            shared.add(one.ids[:useful])
        prefixes: list[tuple[int, ...]] = []
        for ids in sorted(shared, key=len):
            nested = any(ids[: len(shorter)] == shorter for shorter in prefixes)
            if not nested and len(ids) - self._kv_cache.match_length(ids) >= MIN_SHARED_TOKENS:
                prefixes.append(ids)
        return prefixes

    def _read_grouped(self, inputs: Sequence[ScoringInput]) -> Iterator[tuple[_BatchRow, tuple[float, ...]]]:
        """Compute inputs in groups whose numbers of new ids differ by less than a factor of 2, to limit padding."""
        rows = sorted([self._batch_row(item) for item in inputs], key=lambda row: len(row.new))
        for _, group in groupby(rows, key=lambda row: len(row.new).bit_length()):
            batch = list(group)
            yield from zip(batch, self._forward(batch), strict=True)

    def _batch_row(self, item: ScoringInput) -> _BatchRow:
        """Match the cached prefix; it ends before the first position, whose hidden state is not cached."""
        first = item.positions[0] if item.positions else len(item.ids)
        past, kv_chunks = (0, []) if self._kv_cache is None else self._kv_cache.match_prefix(item.ids[:first])
        return _BatchRow(item, past, kv_chunks)

    def _forward(self, rows: Sequence[_BatchRow]) -> list[tuple[float, ...]]:
        import torch

        longest, width = max(row.past for row in rows), max(len(row.new) for row in rows)
        padding = [width - len(row.new) for row in rows]
        ids = [[*row.new, *[0] * pad] for row, pad in zip(rows, padding, strict=True)]
        mask = [
            [0] * (longest - row.past) + [1] * len(row.item.ids) + [0] * pad
            for row, pad in zip(rows, padding, strict=True)
        ]
        last = [len(row.item.ids) - 1 for row in rows]
        position_ids = [
            [min(row.past + offset, end) for offset in range(width)] for row, end in zip(rows, last, strict=True)
        ]
        caching: dict[str, Any] = {"use_cache": False}
        if self._kv_cache is not None:
            caching = {"use_cache": True, "past_key_values": build_cache([row.kv_chunks for row in rows], longest)}
        out = self._model.base(
            input_ids=torch.tensor(ids, device=self._device),
            attention_mask=torch.tensor(mask, device=self._device),
            position_ids=torch.tensor(position_ids, device=self._device),
            **caching,
        )
        if self._kv_cache is not None:
            self._cache_rows(rows, out.past_key_values, longest)
        hidden = out.last_hidden_state  # [rows, width, hidden]
        columns = [[position - row.past for position in row.item.positions] for row in rows]
        return [
            tuple(self._model.values(hidden[number, each], row.item).tolist())
            for number, (row, each) in enumerate(zip(rows, columns, strict=True))
        ]

    def _cache_rows(self, rows: Sequence[_BatchRow], cache: Any, longest: int) -> None:
        assert self._kv_cache is not None
        new_kv = extract_kv(cache, longest)
        for number, row in enumerate(rows):
            self._kv_cache.insert(row.item.ids, row.past, new_kv[:, :, number, :, : len(row.new)].clone())


def cache_capacity(base: Any, config: Config) -> int:
    """Compute how many tokens' keys and values fit into the cache; 0 if the model's cannot be reused.

    On a CPU the cache has `kv_cache_gib`. On a GPU it has the share `prm_gpu_mem_util` less the weights and two
    batches, and at most the free memory.

    Args:
        base: the model without its head.
        config: configuration of the run.
    """
    import torch

    size = bytes_per_token(base)
    if not size:
        return 0
    device = next(base.parameters()).device
    if device.type != "cuda":
        return int(config.kv_cache_gib * 2**30) // size
    free, total = torch.cuda.mem_get_info(device)
    room = min(config.prm_gpu_mem_util * total - base.get_memory_footprint(), free)
    return max(0, int(room) // size - 2 * MAX_BATCH_TOKENS)
