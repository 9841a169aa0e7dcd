"""PRMs on vLLM, with prefix caching."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from tt_scale.core.concurrency import gather_or_cancel
from tt_scale.core.records import Scores
from tt_scale.core.waiting import progressed
from tt_scale.engines.model_names import resolve_model
from tt_scale.engines.transformers.parameters import parameters_by_settings
from tt_scale.engines.vllm.devices import prm_gpus
from tt_scale.engines.vllm.engine import prepare_vllm, revision_args
from tt_scale.prm.adapters.base import LayerHead, ScoringInput
from tt_scale.prm.adapters.lookup import open_adapter
from tt_scale.prm.heads import read_layers
from tt_scale.prm.pooling import PoolingEngine
from tt_scale.prm.token_prm import TokenPRM
from tt_scale.prm.vllm_heads import column_of, conversion, folder_for_vllm

if TYPE_CHECKING:
    from tt_scale.config import Config

__all__ = ["VLLMPRM"]


class VLLMPRM(TokenPRM):
    """A PRM in a separate vLLM pooling engine.

    Args:
        config: configuration of the run; uses `prm_name` and the keys that begin with `prm_`, `stop_tokens`, and the
            keys for loading models.
    """

    summary: ClassVar[str] = "a PRM with an adapter, on vLLM; only the new step is computed"
    engine: ClassVar[str] = "vllm"
    starts_processes: ClassVar[bool] = True

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._engine: PoolingEngine | None = None

    async def start(self) -> None:
        """Load tokenizer and weights.

        Raises:
            PRMError: there is no adapter for the model, or its folder is incomplete.
            GeneratorError: vLLM cannot start the engine.
            ConfigError: the engine cannot run on `prm_device`.
            MissingExtraError: vLLM is not installed.
        """
        config = self._config
        await asyncio.to_thread(prepare_vllm, f"Scoring with {config.prm_name!r}")
        gpus = await asyncio.to_thread(prm_gpus, config)
        model = await asyncio.to_thread(resolve_model, config.prm_name)
        self.adapter = await asyncio.to_thread(open_adapter, config, model)
        settings = self.adapter.checkpoint.settings
        self.context = self.context_of(settings, config)
        if isinstance(self.adapter.head, LayerHead):
            await asyncio.to_thread(read_layers, config.prm_name, model, self.adapter.head, config.prm_revision)
        self._column = column_of(self.adapter)
        self.parameters = await asyncio.to_thread(parameters_by_settings, settings, head=False)
        folder = await asyncio.to_thread(
            folder_for_vllm, model, self.adapter, config.prm_quantization, config.prm_revision
        )
        self._engine = PoolingEngine(
            config,
            folder,
            task="token_classify",
            context=self.context,
            share=config.prm_gpu_mem_util,
            gpus=gpus,
            **revision_args(folder, config.prm_revision),
            **conversion(self.adapter),
        )
        self._engine.on_output(lambda: progressed(self))
        await self._engine.start()

    def died(self) -> str:
        """Describe how the engine ended unexpectedly; empty while it runs."""
        return self._engine.died() if self._engine is not None else ""

    async def close(self) -> None:
        """End the engine and its processes; a second call does nothing."""
        if self._engine is not None:
            await self._engine.close()

    async def score_inputs(self, inputs: Sequence[ScoringInput]) -> list[Scores]:
        """Score inputs; cached prefixes are not computed again [inputs]."""
        return await gather_or_cancel([self._score(each) for each in inputs])

    async def _score(self, scoring_input: ScoringInput) -> Scores:
        assert self._engine is not None, "start() comes first"
        rows = await self._engine.read(scoring_input)
        values = [float(rows.by_position[position][self._column]) for position in scoring_input.positions]
        return Scores(scoring_input.checked(values), rows.tokens, rows.cached)
