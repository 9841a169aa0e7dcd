"""The two models of an implicit PRM on Transformers, where one thread asks them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tt_scale.engines.load_errors import sentence
from tt_scale.engines.micro_batcher import MicroBatcher, model_thread
from tt_scale.engines.model_names import at_revision
from tt_scale.engines.transformers.loading import explained, free_memory, gpu_failed, placement
from tt_scale.engines.transformers.parameters import count_parameters
from tt_scale.engines.transformers.quantization import quantization
from tt_scale.errors import EngineDeadError, PRMError
from tt_scale.prm.adapters.base import Reading
from tt_scale.prm.heads import load_causal
from tt_scale.prm.implicit.next_tokens import Following, TwoModels, log_probabilities
from tt_scale.prm.prefix_reader import MOST_READ, Reader, most_held

if TYPE_CHECKING:
    from tt_scale.config import Config

__all__ = ["TwoOnTransformers"]


class TwoOnTransformers(TwoModels):
    """Both read each new step once and keep what they read before, in half of the PRM's memory each.

    Args:
        config: of the run; read are `dtype`, `kv_cache_gib`, `prm_device`, `prm_gpu_mem_util` and `prm_quantization`.
        models: name, folder or hub name, and revision of each [2].
    """

    def __init__(self, config: Config, models: Sequence[tuple[str, str, str | None]]) -> None:
        self._config = config
        self._models = models
        self._readers: list[Reader] = []
        self._thread = model_thread("eurus-prm")  # one call of the models at a time
        self._batch: MicroBatcher[Reading, tuple[Following, Following]] = MicroBatcher(
            self._read, self._thread, weigh=lambda reading: len(reading.ids), max_weight=MOST_READ, max_items=64
        )

    async def start(self) -> None:
        """Load both, one after the other.

        Raises:
            PRMError: one of them lacks weights, or does not fit into memory.
            ConfigError: there is no such device.
        """
        await asyncio.to_thread(self._load)

    def _load(self) -> None:
        config = self._config
        half = config.model_copy(update={"prm_gpu_mem_util": config.prm_gpu_mem_util / 2})
        sizes = []
        for name, source, revision in self._models:
            own = config.model_copy(update={"prm_revision": revision})
            with explained(f"The PRM {name!r}", PRMError):
                how = placement(config.dtype, source, config.prm_device, revision)
                how |= quantization(own, source, prm=True) | at_revision(revision)
                model = load_causal(name, source, how)
                self._readers.append(Reader(_NextTokens(model), most_held(model.base_model, half)))
            sizes.append(count_parameters(model))
        self.sizes = tuple(sizes)

    async def close(self) -> None:
        """Let go of the weights; a second call does nothing."""
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)
        if self._readers:
            self._readers = []
            await asyncio.to_thread(free_memory)

    async def read(self, readings: Sequence[Reading]) -> list[tuple[Following, Following]]:
        """Give what both say [readings], together with whatever else is waiting.

        Raises:
            PRMError: a model failed.
            EngineDeadError: the models are closed, or the GPU failed.
        """
        if not self._readers:
            raise EngineDeadError("The PRM is closed.")
        return await self._batch.ask(readings)

    def _read(self, readings: list[Reading]) -> list[tuple[Following, Following]]:
        try:
            own, reference = [reader.read(readings) for reader in self._readers]
        except RuntimeError as error:
            for reader in self._readers:
                reader.forget()  # for want of memory, say
            if gpu_failed(error):
                raise EngineDeadError(f"The GPU failed: {sentence(error)}") from error
            raise PRMError(f"The PRM failed to read {len(readings)} paths: {sentence(error)}") from error
        lengths = [len(reading.ids) for reading in readings]
        return [
            (Following(one.values, length, one.computed), Following(other.values, length, other.computed))
            for length, one, other in zip(lengths, own, reference, strict=True)
        ]


class _NextTokens:
    """Reads the log-probability of the token behind each position."""

    def __init__(self, model: Any) -> None:
        self.base = model.base_model
        self._head = model.get_output_embeddings()

    def values(self, hidden: Any, reading: Reading) -> Any:
        """Give log-probabilities [positions]; see `reader.Readout`."""
        return log_probabilities(self._head, hidden, [reading.ids[place + 1] for place in reading.positions])
