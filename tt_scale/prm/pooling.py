"""A vLLM engine that gives a row for every token of a prompt that it computed.

Read with an index from the end, the rows do not care how much of the prompt came from the prefix cache; what came from
there has none, and is asked for again in prompts that end at it, since the block of the last token is always computed.
Pooling type ALL, never STEP: with cache reading that kills the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from tt_scale.core.concurrency import gather_or_cancel
from tt_scale.engines.dtypes import place_of, resolve_dtype
from tt_scale.engines.load_errors import sentence
from tt_scale.engines.transformers.parameters import parameters_by_settings
from tt_scale.engines.vllm.devices import device_args
from tt_scale.engines.vllm.engine import Engine, engine_args, prepare_vllm
from tt_scale.errors import EngineDeadError, PRMError
from tt_scale.prm.adapters.base import ScoringInput

if TYPE_CHECKING:
    from tt_scale.config import Config

__all__ = ["PoolingEngine", "Rows"]


@dataclass(frozen=True, slots=True)
class Rows:
    """What was read.

    Attributes:
        found: row by position; [classes] of a classifier, [width] of hidden states.
        tokens: of all prompts that it took.
        cached: how many of them were not computed again.
    """

    found: dict[int, Any]
    tokens: int
    cached: int


class PoolingEngine:
    """One engine for one PRM.

    Args:
        config: of the run; read are `dtype` and `prm_quantization`, and how to load a model.
        folder: model folder or hub name.
        task: of vLLM's poolers: "token_classify" or "token_embed"; hidden states are given as they are.
        context: most tokens of a prompt.
        share: of the GPU's memory, in (0, 1].
        gpus: that it may see; none for where vLLM puts it.
        own: fields of `AsyncEngineArgs` that say how the model is read.
    """

    def __init__(
        self, config: Config, folder: str, *, task: str, context: int, share: float, gpus: Sequence[int], **own: Any
    ) -> None:
        self._task = task
        self._numbers = count()
        self._engine = Engine(folder, lambda: _args(config, folder, task, context, share, gpus, own), gpus)

    async def launch(self) -> None:
        """Start the engine's process; `start` waits for it. Errors as of `Engine.launch`."""
        await self._engine.launch()

    async def start(self) -> None:
        """Build the engine.

        Raises:
            GeneratorError: vLLM cannot start it.
        """
        await self._engine.start()

    async def close(self) -> None:
        """End the engine and its processes; a second call does nothing."""
        await self._engine.close()

    def died(self) -> str:
        """Say how the engine ended that nobody closed; empty while it runs."""
        return self._engine.died()

    def on_output(self, call: Callable[[], None]) -> None:
        """Have something called whenever scores come from the engine."""
        self._engine.on_output = call

    @property
    def llm(self) -> Any:
        """The `AsyncLLM` of vLLM.

        Raises:
            EngineDeadError: it is closed, or was never started.
        """
        if self._engine.llm is None:
            raise EngineDeadError("The PRM's engine is closed.")
        return self._engine.llm

    @property
    def dtype(self) -> Any:
        """In which the engine computes."""
        return self.llm.model_config.dtype

    @property
    def parameters(self) -> int:
        """How many the whole model has, its language-model head included."""
        return parameters_by_settings(self.llm.model_config.hf_config.to_dict())

    async def read(self, reading: ScoringInput) -> Rows:
        """Give the rows at all positions of a reading.

        Raises:
            PRMError: vLLM refused, or did not give what it computes.
            EngineDeadError: the engine is gone.
        """
        found, tokens, cached = await self._rows(reading.ids, reading.positions)
        while hidden := [place for place in reading.positions if place not in found]:
            prompts = [(reading.ids[: places[-1] + 1], places) for places in self._by_block(hidden)]
            for more, read, hits in await gather_or_cancel([self._rows(*prompt) for prompt in prompts]):
                found |= more
                tokens, cached = tokens + read, cached + hits
        return Rows(found, tokens, cached)

    def _by_block(self, places: Sequence[int]) -> list[list[int]]:
        """Put together what one prompt shows: the cache holds whole blocks, and the last one is computed anew."""
        size = self.llm.vllm_config.cache_config.block_size
        blocks: dict[int, list[int]] = {}
        for place in places:
            blocks.setdefault(place // size, []).append(place)
        return list(blocks.values())

    async def _rows(self, ids: tuple[int, ...], places: Sequence[int]) -> tuple[dict[int, Any], int, int]:
        answer = await self._ask(ids)
        rows, cached = answer.outputs.data, answer.num_cached_tokens or 0
        if not 0 <= cached < len(ids) or len(rows) != len(ids) - cached:
            raise PRMError(f"The engine gave {len(rows)} rows for {len(ids)} tokens of which {cached} were cached.")
        found = {place: rows[place - len(ids)] for place in places if place >= cached}
        if places[-1] not in found:
            raise PRMError("The engine gave no row for the last token of a prompt, which it always computes.")
        return found, len(ids), cached

    async def _ask(self, ids: tuple[int, ...]) -> Any:
        from vllm import PoolingParams, TokensPrompt

        llm = self.llm
        plain = {"use_activation": False} if self._task == "token_embed" else {}
        params = PoolingParams(task=self._task, skip_reading_prefix_cache=False, **plain)
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
            place_of("vllm", config.prm_device),
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
