"""The two models of an implicit PRM on Transformers, called by one thread."""

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
from tt_scale.prm.adapters.base import ScoringInput
from tt_scale.prm.heads import load_causal
from tt_scale.prm.implicit.next_tokens import ModelPair, TokenLogprobs, token_logprobs
from tt_scale.prm.prefix_reader import MAX_BATCH_TOKENS, PrefixReader, cache_capacity

if TYPE_CHECKING:
    from tt_scale.config import Config

__all__ = ["TransformersModelPair"]


class TransformersModelPair(ModelPair):
    """A model and its reference on Transformers, each with a prefix cache and half of the PRM's memory.

    Args:
        config: configuration of the run; uses `dtype`, `kv_cache_gib`, `prm_device`, `prm_gpu_mem_util` and
            `prm_quantization`.
        models: name, folder or hub name, and revision of each model [2].
    """

    def __init__(self, config: Config, models: Sequence[tuple[str, str, str | None]]) -> None:
        self._config = config
        self._models = models
        self._readers: list[PrefixReader] = []
        self._thread = model_thread("eurus-prm")  # one call of the models at a time
        self._batch: MicroBatcher[ScoringInput, tuple[TokenLogprobs, TokenLogprobs]] = MicroBatcher(
            self._read, self._thread, weigh=lambda each: len(each.ids), max_weight=MAX_BATCH_TOKENS, max_items=64
        )

    async def start(self) -> None:
        """Load both models, one after the other.

        Raises:
            PRMError: a model lacks weights, or does not fit into memory.
            ConfigError: `prm_device` does not exist.
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
                self._readers.append(PrefixReader(_NextTokens(model), cache_capacity(model.base_model, half)))
            sizes.append(count_parameters(model))
        self.sizes = tuple(sizes)

    async def close(self) -> None:
        """Release the weights; a second call does nothing."""
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)
        if self._readers:
            self._readers = []
            await asyncio.to_thread(free_memory)

    async def read(self, inputs: Sequence[ScoringInput]) -> list[tuple[TokenLogprobs, TokenLogprobs]]:
        """Compute the log-probabilities of both models, batched with other waiting inputs [inputs].

        Raises:
            PRMError: a model failed.
            EngineDeadError: the models are closed, or the GPU failed.
        """
        if not self._readers:
            raise EngineDeadError("The PRM is closed.")
        return await self._batch.ask(inputs)

    def _read(self, inputs: list[ScoringInput]) -> list[tuple[TokenLogprobs, TokenLogprobs]]:
        try:
            policy, reference = [reader.read(inputs) for reader in self._readers]
        except RuntimeError as error:
            for reader in self._readers:
                reader.clear()  # it may have run out of memory
            if gpu_failed(error):
                raise EngineDeadError(f"The GPU failed: {sentence(error)}") from error
            raise PRMError(f"The PRM failed to score {len(inputs)} paths: {sentence(error)}") from error
        lengths = [len(each.ids) for each in inputs]
        return [
            (TokenLogprobs(one.values, length, one.computed), TokenLogprobs(other.values, length, other.computed))
            for length, one, other in zip(lengths, policy, reference, strict=True)
        ]


class _NextTokens:
    """Readout of the log-probability of the token after each position."""

    def __init__(self, model: Any) -> None:
        self.base = model.base_model
        self._head = model.get_output_embeddings()

    def values(self, hidden: Any, scoring_input: ScoringInput) -> Any:
        """Compute log-probabilities [positions]; see `ScoreReadout`."""
        targets = [scoring_input.ids[position + 1] for position in scoring_input.positions]
        return token_logprobs(self._head, hidden, targets)
