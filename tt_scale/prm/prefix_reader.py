"""Reading for a PRM on Transformers: of each text only what no earlier reading had.

A row of a batch is its past, padded on the left, and its new ids, padded on the right. The padding of the past is
masked, that of the new ids is behind everything that counts, and positions are those of the text itself. Rows of
about as many new ids are read together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any, Protocol

from tt_scale.engines.transformers.kv_batch import bytes_per_token, gathered, past_of
from tt_scale.engines.transformers.radix_cache import KeyValueStore, common_length
from tt_scale.prm.adapters.base import Reading

if TYPE_CHECKING:
    from tt_scale.config import Config

__all__ = ["MOST_READ", "Reader", "Readout", "Verdicts", "most_held"]

MOST_READ = 16_384
"""Most padded tokens of a batch."""
WORTH_A_CALL = 32
"""New tokens that several texts of a batch must share, for their beginning to be read first and once."""


class Readout(Protocol):
    """A model, and what is read from it.

    Attributes:
        base: the model without a head.
    """

    base: Any

    def values(self, hidden: Any, reading: Reading) -> Any:
        """Turn last hidden states at the positions of a reading [positions, width] into numbers [positions]."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What a reading gave.

    Attributes:
        values: the number read at each of its positions: of a scorer, the probability of "right".
        computed: tokens that were read for it.
    """

    values: tuple[float, ...]
    computed: int


@dataclass(frozen=True, slots=True)
class _Row:
    reading: Reading
    past: int
    pieces: list[Any]

    @property
    def new(self) -> tuple[int, ...]:
        return self.reading.ids[self.past :]


class Reader:
    """Gives what is read from a model; one call at a time.

    Args:
        model: the model, and what is read from it.
        held: tokens whose keys and values may be kept; with 0 every text is read whole.
    """

    def __init__(self, model: Readout, held: int) -> None:
        self._model = model
        self._device = next(model.base.parameters()).device
        self._store = KeyValueStore(held) if held > 0 else None

    def read(self, readings: Sequence[Reading]) -> list[Verdicts]:
        """Read texts [readings]; equal ones once, and what is new to several of them once."""
        import torch

        distinct = list(dict.fromkeys(readings))
        with torch.inference_mode():
            spent = self._read_shared(distinct)
            values = {}
            for row, found in self._rows_read(distinct):
                values[row.reading] = found
                spent[row.reading] += len(row.new)
        # Of equal readings the first has caused the cost: what is taken out is gone for the others.
        return [Verdicts(values[reading], spent.pop(reading, 0)) for reading in readings]

    def forget(self) -> None:
        """Let go of all keys and values."""
        if self._store is not None:
            self._store.clear()

    def _read_shared(self, readings: Sequence[Reading]) -> Counter[Reading]:
        """Read unread beginnings that several texts share, the shortest first; the tokens that it took of each."""
        spent: Counter[Reading] = Counter()
        done: set[tuple[int, ...]] = set()
        while fresh := [ids for ids in self._unread_beginnings(readings) if ids not in done]:
            done.update(fresh)
            for row, _ in self._rows_read([Reading(ids, ()) for ids in fresh]):
                ids = row.reading.ids
                first = next(reading for reading in readings if reading.ids[: len(ids)] == ids)
                spent[first] += len(row.new)
        return spent

    def _unread_beginnings(self, readings: Sequence[Reading]) -> list[tuple[int, ...]]:
        if self._store is None:
            return []
        shared = set()
        for one, other in pairwise(sorted(readings, key=lambda reading: reading.ids)):
            useful = min(common_length(one.ids, other.ids), one.positions[0], other.positions[0])
            shared.add(one.ids[:useful])
        found: list[tuple[int, ...]] = []
        for ids in sorted(shared, key=len):
            nested = any(ids[: len(shorter)] == shorter for shorter in found)
            if not nested and len(ids) - self._store.length(ids) >= WORTH_A_CALL:
                found.append(ids)
        return found

    def _rows_read(self, readings: Sequence[Reading]) -> Iterator[tuple[_Row, tuple[float, ...]]]:
        """Read texts, those of about as many new ids together: between padded and unpadded lies a factor below 2."""
        rows = sorted([self._row(reading) for reading in readings], key=lambda row: len(row.new))
        for _, group in groupby(rows, key=lambda row: len(row.new).bit_length()):
            together = list(group)
            yield from zip(together, self._read_together(together), strict=True)

    def _row(self, reading: Reading) -> _Row:
        """Find what was read before; a place that is scored must be read again, its hidden state was not kept."""
        first = reading.positions[0] if reading.positions else len(reading.ids)
        past, pieces = (0, []) if self._store is None else self._store.find(reading.ids[:first])
        return _Row(reading, past, pieces)

    def _read_together(self, rows: Sequence[_Row]) -> list[tuple[float, ...]]:
        import torch

        longest, width = max(row.past for row in rows), max(len(row.new) for row in rows)
        padding = [width - len(row.new) for row in rows]
        ids = [[*row.new, *[0] * more] for row, more in zip(rows, padding, strict=True)]
        mask = [
            [0] * (longest - row.past) + [1] * len(row.reading.ids) + [0] * more
            for row, more in zip(rows, padding, strict=True)
        ]
        last = [len(row.reading.ids) - 1 for row in rows]
        places = [[min(row.past + more, end) for more in range(width)] for row, end in zip(rows, last, strict=True)]
        caching: dict[str, Any] = {"use_cache": False}
        if self._store is not None:
            caching = {"use_cache": True, "past_key_values": past_of([row.pieces for row in rows], longest)}
        out = self._model.base(
            input_ids=torch.tensor(ids, device=self._device),
            attention_mask=torch.tensor(mask, device=self._device),
            position_ids=torch.tensor(places, device=self._device),
            **caching,
        )
        if self._store is not None:
            self._keep(rows, out.past_key_values, longest)
        hidden = out.last_hidden_state  # [rows, width, hidden]
        wanted = [[place - row.past for place in row.reading.positions] for row in rows]
        return [
            tuple(self._model.values(hidden[number, each], row.reading).tolist())
            for number, (row, each) in enumerate(zip(rows, wanted, strict=True))
        ]

    def _keep(self, rows: Sequence[_Row], cache: Any, longest: int) -> None:
        assert self._store is not None
        fresh = gathered(cache, longest)
        for number, row in enumerate(rows):
            self._store.add(row.reading.ids, row.past, fresh[:, :, number, :, : len(row.new)].clone())


def most_held(base: Any, config: Config) -> int:
    """How many tokens' keys and values may be kept; 0 where the model's cannot be taken up again.

    On a CPU they have `kv_cache_gib`. On a GPU they have what `prm_gpu_mem_util` grants beyond the weights and two
    batches, and no more than is free.

    Args:
        base: the model without its head.
        config: of the run.
    """
    import torch

    each = bytes_per_token(base)
    if not each:
        return 0
    device = next(base.parameters()).device
    if device.type != "cuda":
        return int(config.kv_cache_gib * 2**30) // each
    free, total = torch.cuda.mem_get_info(device)
    room = min(config.prm_gpu_mem_util * total - base.get_memory_footprint(), free)
    return max(0, int(room) // each - 2 * MOST_READ)
