"""PRMs on vLLM, computing only the new step.

Pooling type ALL gives a row for every token that was computed; read with an index from the end, the rows do not care
how much of the prompt came from the prefix cache. Never pooling type STEP: with cache reading it kills the engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar

from tt_scale.base_classes import Scores
from tt_scale.devices import device_args, prm_gpus
from tt_scale.errors import EngineDeadError, PRMError
from tt_scale.model_names import resolve_model
from tt_scale.prm.adapter import Adapter, LayerHead, Reading
from tt_scale.prm.finding import context_of, open_adapter
from tt_scale.prm.heads import read_layers
from tt_scale.prm.rows import RowPRM
from tt_scale.prm.vllm_heads import column_of, conversion, folder_for_vllm
from tt_scale.vllm_engine import Engine, engine_args, prepare_vllm
from tt_scale.vllm_reason import sentence

if TYPE_CHECKING:
    from tt_scale.config import Config

__all__ = ["VLLMPRM"]


class VLLMPRM(RowPRM):
    """A PRM in a vLLM engine of its own.

    Args:
        config: of the run; read are `prm_name` and the keys that begin with `prm_`, `stop_tokens`, and how to load a
            model.
    """

    summary: ClassVar[str] = "a PRM with an adapter, on vLLM; only the new step is computed"

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._engine: Engine | None = None
        self._numbers = count()

    async def start(self) -> None:
        """Load tokenizer and weights.

        Raises:
            PRMError: no adapter is known for the model, or its folder lacks something.
            GeneratorError: vLLM cannot start it.
            ConfigError: it cannot run on `prm_device`.
            MissingExtraError: vLLM is not installed.
        """
        config = self._config
        await asyncio.to_thread(prepare_vllm, f"Scoring with {config.prm_name!r}")
        gpus = await asyncio.to_thread(prm_gpus, config)
        model = await asyncio.to_thread(resolve_model, config.prm_name)
        self.adapter = await asyncio.to_thread(open_adapter, config, model)
        settings = self.adapter.checkpoint.settings
        self.context = context_of(settings, config)
        if isinstance(self.adapter.head, LayerHead):
            await asyncio.to_thread(read_layers, config.prm_name, model, self.adapter.head)
        self._column = column_of(self.adapter)
        self.parameters = _count_parameters(settings)
        folder = await asyncio.to_thread(folder_for_vllm, model, self.adapter)
        self._engine = Engine(folder, lambda: _engine_args(config, folder, self.context, self.adapter, gpus), gpus)
        await self._engine.start()

    async def close(self) -> None:
        """End the engine and its processes; a second call does nothing."""
        if self._engine is not None:
            await self._engine.close()

    async def answers(self, readings: Sequence[Reading]) -> list[Scores]:
        """Score readings; what an earlier step put into the cache is not computed again."""
        return list(await asyncio.gather(*[self._score(reading) for reading in readings]))

    async def _score(self, reading: Reading) -> Scores:
        values, tokens, cached = await self._rows(reading.ids, reading.positions)
        hidden = [position for position in reading.positions if position not in values]
        # The first steps of a whole solution may have been in the cache: prompts that end at those places show them.
        for found, more, hits in await asyncio.gather(
            *[self._rows(reading.ids[: position + 1], (position,)) for position in hidden]
        ):
            values |= found
            tokens, cached = tokens + more, cached + hits
        return Scores(reading.checked([values[position] for position in reading.positions]), tokens, cached)

    async def _rows(self, ids: tuple[int, ...], positions: Sequence[int]) -> tuple[dict[int, float], int, int]:
        """Read what was computed of some positions: position -> score, prompt tokens, cached tokens."""
        answer = await self._ask(ids)
        rows, cached = answer.outputs.data, answer.num_cached_tokens or 0
        if len(rows) != len(ids) - cached:
            raise PRMError(f"The engine gave {len(rows)} rows for {len(ids)} tokens of which {cached} were cached.")
        values = {
            position: float(rows[position - len(ids)][self._column]) for position in positions if position >= cached
        }
        if positions[-1] not in values:
            raise PRMError("The engine gave no row for the last token of a prompt, which it always computes.")
        return values, len(ids), cached

    async def _ask(self, ids: tuple[int, ...]) -> Any:
        from vllm import PoolingParams, TokensPrompt

        assert self._engine is not None, "start() comes first"
        llm = self._engine.llm
        if llm is None:
            raise EngineDeadError("The PRM's engine is closed.")
        params = PoolingParams(task="token_classify", skip_reading_prefix_cache=False)
        prompt = TokensPrompt(prompt_token_ids=list(ids))
        number = f"score-{next(self._numbers)}"
        try:
            answers = [answer async for answer in llm.encode(prompt, params, number)]
        except Exception as error:
            if llm.errored:
                raise EngineDeadError(f"The PRM's engine died. {self._engine.reason()}".strip()) from error
            raise PRMError(f"vLLM refused to score: {sentence(error.__cause__ or error)}") from error
        if not answers:
            raise PRMError("vLLM gave no answer to a scoring request.")
        return answers[-1]


def _engine_args(config: Config, folder: str, context: int, adapter: Adapter, gpus: Sequence[int]) -> Any:
    from vllm.config import PoolerConfig

    return engine_args(
        config,
        folder,
        runner="pooling",
        quantization=config.prm_quantization,
        gpu_memory_utilization=config.prm_gpu_mem_util,
        max_model_len=context,
        max_num_batched_tokens=max(context, 8192),
        pooler_config=PoolerConfig(task="token_classify", tok_pooling_type="ALL"),
        **device_args(gpus),
        **conversion(adapter),
    )


def _count_parameters(settings: Mapping[str, Any]) -> int:
    """Count the parameters of a Qwen2 by its sizes, for the FLOP estimate."""
    width, layers = int(settings["hidden_size"]), int(settings["num_hidden_layers"])
    heads = int(settings["num_attention_heads"])
    shared = int(settings.get("num_key_value_heads") or heads) * (width // heads)
    attention = width * width * 2 + width * shared * 2
    return layers * (attention + 3 * width * int(settings["intermediate_size"])) + width * int(settings["vocab_size"])
