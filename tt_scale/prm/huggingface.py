"""PRMs on Transformers, without remote code."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from tt_scale.core.records import Scores
from tt_scale.engines.load_errors import sentence
from tt_scale.engines.micro_batcher import MicroBatcher, model_thread
from tt_scale.engines.model_names import at_revision, resolve_model
from tt_scale.engines.transformers.loading import explained, free_memory, gpu_failed, placement, require_torch
from tt_scale.engines.transformers.quantization import quantization
from tt_scale.errors import ConfigError, EngineDeadError, PRMError
from tt_scale.prm.adapters.base import ScoringInput
from tt_scale.prm.adapters.lookup import open_adapter
from tt_scale.prm.heads import load_scorer
from tt_scale.prm.prefix_reader import MAX_BATCH_TOKENS, PrefixReader, ReadResult, cache_capacity
from tt_scale.prm.token_prm import TokenPRM

if TYPE_CHECKING:
    from tt_scale.config import Config

__all__ = ["HuggingFacePRM"]


class HuggingFacePRM(TokenPRM):
    """A PRM on Transformers, batched across problems, with a prefix cache.

    Args:
        config: configuration of the run; uses `prm_name` and the keys that begin with `prm_`, `dtype`,
            `kv_cache_gib` and `stop_tokens`.

    Raises:
        ConfigError: `tensor_parallel_size` is above 1, which only vLLM supports.
    """

    summary: ClassVar[str] = "a PRM with an adapter, on Transformers; only new tokens are computed, no remote code"
    engine: ClassVar[str] = "huggingface"
    batch_dependent: ClassVar[bool] = True

    def __init__(self, config: Config) -> None:
        if config.tensor_parallel_size > 1:
            raise ConfigError(
                f"tensor_parallel_size is {config.tensor_parallel_size}; the huggingface PRM uses one device.",
                "Type: --prm vllm",
            )
        super().__init__(config)
        self._reader: PrefixReader | None = None
        self._thread = model_thread("huggingface-prm")  # one call of the model at a time
        self._batch: MicroBatcher[ScoringInput, ReadResult] = MicroBatcher(
            self._forward, self._thread, weigh=lambda each: len(each.ids), max_weight=MAX_BATCH_TOKENS, max_items=256
        )

    async def start(self) -> None:
        """Load tokenizer and weights.

        Raises:
            PRMError: there is no adapter for the model, or weights of the base model or the head are missing.
            MissingExtraError: torch or transformers is not installed.
        """
        await asyncio.to_thread(self._load)

    def _load(self) -> None:
        config = self._config
        require_torch(f"Scoring with {config.prm_name!r}")
        model = resolve_model(config.prm_name)
        self.adapter = open_adapter(config, model)
        self.context = self.context_of(self.adapter.checkpoint.settings, config)
        with explained(f"The PRM {config.prm_name!r}", PRMError):
            how = placement(config.dtype, model, config.prm_device, config.prm_revision)
            how |= quantization(config, model, prm=True) | at_revision(config.prm_revision)
            scorer = load_scorer(config.prm_name, model, self.adapter.head, how)
            self._reader = PrefixReader(scorer, cache_capacity(scorer.base, config))
        self.parameters = scorer.parameters

    async def close(self) -> None:
        """Release the weights; a second call does nothing."""
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)
        if self._reader is not None:
            self._reader = None
            await asyncio.to_thread(free_memory)

    async def score_inputs(self, inputs: Sequence[ScoringInput]) -> list[Scores]:
        """Score inputs, batched with those of other problems [inputs]."""
        if self._reader is None:
            raise EngineDeadError("The PRM is closed.")
        results = await self._batch.ask(inputs)
        return [
            Scores(each.checked(result.values), len(each.ids), len(each.ids) - result.computed)
            for each, result in zip(inputs, results, strict=True)
        ]

    def _forward(self, inputs: list[ScoringInput]) -> list[ReadResult]:
        assert self._reader is not None, "start() comes first"
        try:
            return self._reader.read(inputs)
        except RuntimeError as error:
            self._reader.clear()  # it may have run out of memory
            if gpu_failed(error):
                raise EngineDeadError(f"The GPU failed: {sentence(error)}") from error
            longest = max(len(each.ids) for each in inputs)
            raise PRMError(
                f"The PRM failed to score {len(inputs)} paths of up to {longest} tokens: {sentence(error)}"
            ) from error
