"""vLLM engine with token-wise pooling: returns one output row for every computed token of a prompt.

Rows are indexed from the end of the prompt, since tokens from the prefix cache have none. Positions among those are
requested again by prompts that end at them: the block of the last token is always computed. The pooling type is ALL;
STEP crashes the engine if prefix caching is on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from tt_scale.core.concurrency import gather_or_cancel
from tt_scale.engines.dtypes import engine_device, resolve_dtype
from tt_scale.engines.load_errors import sentence
from tt_scale.engines.transformers.parameters import parameters_by_settings
from tt_scale.engines.vllm.devices import device_args
from tt_scale.engines.vllm.engine import Engine, engine_args, prepare_vllm
from tt_scale.errors import EngineDeadError, PRMError
from tt_scale.prm.adapters.base import ScoringInput

if TYPE_CHECKING:
    from tt_scale.config import Config

__all__ = ["PooledRows", "PoolingEngine"]


@dataclass(frozen=True, slots=True)
class PooledRows:
    """Output rows at the requested positions of an input, and their cost.

    Attributes:
        by_position: row by position; [classes] of a classifier, [width] of hidden states.
        tokens: tokens of all prompts that were sent.
        cached: number of them that came from the prefix cache.
    """

    by_position: dict[int, Any]
    tokens: int
    cached: int


class PoolingEngine:
    """A pooling engine for one PRM.

    Args:
        config: the run's configuration; `dtype`, `prm_quantization` and the keys for loading models are read.
        folder: model folder or hub name.
        task: vLLM's pooling task, "token_classify" or "token_embed"; hidden states are returned without activation.
        context: context length in tokens.
        share: share of the GPU's memory, in (0, 1].
        gpus: indices of the GPUs; empty for vLLM's default.
        own: further fields of `AsyncEngineArgs`, such as the architecture.
    """

    def __init__(
        self, config: Config, folder: str, *, task: str, context: int, share: float, gpus: Sequence[int], **own: Any
    ) -> None:
        self._task = task
        self._numbers = count()
        self._engine = Engine(folder, lambda: _args(config, folder, task, context, share, gpus, own), gpus)

    async def launch(self) -> None:
        """Start the engine's process; `start` waits for it. Errors as for `Engine.launch`."""
        await self._engine.launch()

    async def start(self) -> None:
        """Build the engine.

        Raises:
            GeneratorError: vLLM cannot start it.
        """
        await self._engine.start()

    async def close(self) -> None:
        """Shut down the engine and its processes; a second call does nothing."""
        await self._engine.close()

    def died(self) -> str:
        """Describe how the engine ended unexpectedly; empty while it runs."""
        return self._engine.died()

    def on_output(self, call: Callable[[], None]) -> None:
        """Set a callback for every output of the engine."""
        self._engine.on_output = call

    @property
    def llm(self) -> Any:
        """VLLM's `AsyncLLM`.

        Raises:
            EngineDeadError: it is closed, or was never started.
        """
        if self._engine.llm is None:
            raise EngineDeadError("The PRM's engine is closed.")
        return self._engine.llm

    @property
    def dtype(self) -> Any:
        """Dtype in which the engine computes."""
        return self.llm.model_config.dtype

    @property
    def parameters(self) -> int:
        """Number of parameters of the whole model, including its language-model head."""
        return parameters_by_settings(self.llm.model_config.hf_config.to_dict())

    async def read(self, scoring_input: ScoringInput) -> PooledRows:
        """Compute the rows at all positions of an input.

        Raises:
            PRMError: vLLM rejected the request, or returned fewer rows than it computes.
            EngineDeadError: the engine is gone.
        """
        ids, positions = scoring_input.ids, scoring_input.positions
        computed, tokens, cached = await self._rows(ids, positions)
        while missing := [position for position in positions if position not in computed]:
            prompts = [(ids[: block[-1] + 1], block) for block in self._by_block(missing)]
            for rows, read, hits in await gather_or_cancel([self._rows(*prompt) for prompt in prompts]):
                computed |= rows
                tokens, cached = tokens + read, cached + hits
        return PooledRows(computed, tokens, cached)

    def _by_block(self, positions: Sequence[int]) -> list[list[int]]:
        """Group positions by KV block, since one prompt returns all rows of its last block."""
        size = self.llm.vllm_config.cache_config.block_size
        blocks: dict[int, list[int]] = {}
        for position in positions:
            blocks.setdefault(position // size, []).append(position)
        return list(blocks.values())

    async def _rows(self, ids: tuple[int, ...], positions: Sequence[int]) -> tuple[dict[int, Any], int, int]:
        output = await self._encode(ids)
        rows, cached = output.outputs.data, output.num_cached_tokens or 0
        if not 0 <= cached < len(ids) or len(rows) != len(ids) - cached:
            raise PRMError(f"The engine returned {len(rows)} rows for {len(ids)} tokens of which {cached} were cached.")
        computed = {position: rows[position - len(ids)] for position in positions if position >= cached}
        if positions[-1] not in computed:
            raise PRMError("The engine returned no row for the last token of a prompt, which it always computes.")
        return computed, len(ids), cached

    async def _encode(self, ids: tuple[int, ...]) -> Any:
        from vllm import PoolingParams, TokensPrompt

        llm = self.llm
        plain = {"use_activation": False} if self._task == "token_embed" else {}
        params = PoolingParams(task=self._task, skip_reading_prefix_cache=False, **plain)
        prompt = TokensPrompt(prompt_token_ids=list(ids))
        request_id = f"score-{next(self._numbers)}"
        try:
            outputs = [output async for output in llm.encode(prompt, params, request_id)]
        except Exception as error:
            if llm.errored:
                raise EngineDeadError(f"The PRM's engine died. {self._engine.reason()}".strip()) from error
            raise PRMError(f"vLLM failed to score: {sentence(error.__cause__ or error)}") from error
        if not outputs:
            raise PRMError("vLLM returned no output for a scoring request.")
        return outputs[-1]


def _args(
    config: Config, folder: str, task: str, context: int, share: float, gpus: Sequence[int], own: Mapping[str, Any]
) -> Any:
    prepare_vllm(f"Scoring with {config.prm_name!r}")
    from vllm.config import PoolerConfig

    return engine_args(
        config,
        folder,
        runner="pooling",
        dtype=resolve_dtype(
            config.dtype,
            engine_device("vllm", config.prm_device),
            folder,
            config.prm_quantization,
            own.get("revision", config.prm_revision),
        ),
        quantization=config.prm_quantization,
        gpu_memory_utilization=share,
        max_model_len=context,
        max_num_batched_tokens=max(context, 8192),
        pooler_config=PoolerConfig(task=task, tok_pooling_type="ALL"),
        **device_args(gpus),
        **own,
    )
