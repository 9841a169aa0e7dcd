"""PRMs on Transformers, without the code that comes with a checkpoint."""

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
from tt_scale.prm.adapters.base import Reading
from tt_scale.prm.adapters.lookup import open_adapter
from tt_scale.prm.heads import load_scorer
from tt_scale.prm.prefix_reader import MOST_READ, Reader, Verdicts, most_held
from tt_scale.prm.token_prm import RowPRM

if TYPE_CHECKING:
    from tt_scale.config import Config

__all__ = ["HuggingFacePRM"]


class HuggingFacePRM(RowPRM):
    """A PRM on Transformers, batched across problems; what was read of a path before is not read again.

    Args:
        config: of the run; read are `prm_name` and the keys that begin with `prm_`, `dtype`,
            `kv_cache_gib` and `stop_tokens`.

    Raises:
        ConfigError: it asks for several GPUs, which is vLLM's business.
    """

    summary: ClassVar[str] = "a PRM with an adapter, on Transformers; only new tokens are read, no remote code"
    engine: ClassVar[str] = "huggingface"
    batch_dependent: ClassVar[bool] = True

    def __init__(self, config: Config) -> None:
        if config.tensor_parallel_size > 1:
            raise ConfigError(
                f"tensor_parallel_size is {config.tensor_parallel_size}; the huggingface PRM uses one device.",
                "Type: --prm vllm",
            )
        super().__init__(config)
        self._reader: Reader | None = None
        self._thread = model_thread("huggingface-prm")  # one call of the model at a time
        self._batch: MicroBatcher[Reading, Verdicts] = MicroBatcher(
            self._forward, self._thread, weigh=lambda reading: len(reading.ids), max_weight=MOST_READ, max_items=256
        )

    async def start(self) -> None:
        """Load tokenizer and weights.

        Raises:
            PRMError: no adapter is known for the model, or it has no weights for base or head.
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
            self._reader = Reader(scorer, most_held(scorer.base, config))
        self.parameters = scorer.parameters

    async def close(self) -> None:
        """Let go of the weights; a second call does nothing."""
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)
        if self._reader is not None:
            self._reader = None
            await asyncio.to_thread(free_memory)

    async def answers(self, readings: Sequence[Reading]) -> list[Scores]:
        """Score readings, together with those of other problems."""
        if self._reader is None:
            raise EngineDeadError("The PRM is closed.")
        found = await self._batch.ask(readings)
        return [
            Scores(reading.checked(each.values), len(reading.ids), len(reading.ids) - each.computed)
            for each, reading in zip(found, readings, strict=True)
        ]

    def _forward(self, readings: list[Reading]) -> list[Verdicts]:
        assert self._reader is not None, "start() comes first"
        try:
            return self._reader.read(readings)
        except RuntimeError as error:
            self._reader.forget()  # for want of memory, say
            if gpu_failed(error):
                raise EngineDeadError(f"The GPU failed: {sentence(error)}") from error
            longest = max(len(reading.ids) for reading in readings)
            raise PRMError(
                f"The PRM failed to read {len(readings)} paths of up to {longest} tokens: {sentence(error)}"
            ) from error
