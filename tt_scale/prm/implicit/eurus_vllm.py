"""The two models of an implicit PRM on vLLM: engines return hidden states, the heads are applied in this process.

vLLM returns log-probabilities of a prompt only if it computes the whole prompt again, at every step. Its pooling
engines return the hidden states of the tokens they compute and cache the rest, but have no language-model head; the
head is loaded here from the same checkpoint.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tt_scale.core.concurrency import gather_or_cancel
from tt_scale.engines.dtypes import engine_device, resolve_dtype
from tt_scale.engines.load_errors import sentence
from tt_scale.engines.micro_batcher import MicroBatcher, model_thread
from tt_scale.engines.transformers.loading import free_memory, gpu_failed
from tt_scale.engines.vllm.devices import CONTEXT_GIB, prm_gpus
from tt_scale.engines.vllm.engine import on_cpu, prepare_vllm, revision_args
from tt_scale.errors import EngineDeadError, PRMError
from tt_scale.prm.adapters.base import ScoringInput
from tt_scale.prm.heads import read_output_embeddings
from tt_scale.prm.implicit.next_tokens import MAX_LOGIT_ROWS, ModelPair, TokenLogprobs, token_logprobs
from tt_scale.prm.pooling import PoolingEngine

if TYPE_CHECKING:
    from tt_scale.config import Config

__all__ = ["VLLMModelPair"]


class VLLMModelPair(ModelPair):
    """A model and its reference on vLLM; engine and head of each have half of the PRM's memory.

    Args:
        config: configuration of the run; uses `prm_name` and the keys for loading models.
        models: name, folder or hub name, and revision of each model [2].
        context: largest prompt, in tokens.
    """

    def __init__(self, config: Config, models: Sequence[tuple[str, str, str | None]], context: int) -> None:
        self._config = config
        self._models = models
        self._context = context
        self._engines: list[PoolingEngine] = []
        self._heads: list[_Head] = []

    async def start(self) -> None:
        """Start both engines (on a GPU one after the other), and load the heads.

        Raises:
            PRMError: a model lacks the weights of its head.
            GeneratorError: vLLM cannot start an engine.
            ConfigError: an engine cannot run on `prm_device`.
            MissingExtraError: vLLM is not installed.
        """
        config = self._config
        await asyncio.to_thread(prepare_vllm, f"Scoring with {config.prm_name!r}")
        gpus = await asyncio.to_thread(prm_gpus, config)
        device = "cpu" if await asyncio.to_thread(on_cpu) else f"cuda:{gpus[0] if gpus else 0}"
        layers = [await self._add_engine(*model, device, gpus) for model in self._models]
        if device == "cpu":  # on a GPU an engine measures the free memory while it starts
            for engine in self._engines:
                await engine.launch()
        for engine, layer in zip(self._engines, layers, strict=True):
            await engine.start()
            self._heads.append(await asyncio.to_thread(_Head, *layer, device, engine.dtype))
        self.sizes = tuple([engine.parameters for engine in self._engines])

    async def _add_engine(
        self, name: str, source: str, revision: str | None, device: str, gpus: Sequence[int]
    ) -> tuple[Any, Any]:
        """Create the engine of one model, and return weight and bias of its head."""
        config = self._config
        layer = await asyncio.to_thread(read_output_embeddings, name, source, revision)
        target = engine_device("vllm", config.prm_device)
        dtype = resolve_dtype(config.dtype, target, source, config.prm_quantization, revision)
        share = config.prm_gpu_mem_util / 2 - (0.0 if device == "cpu" else _head_memory_share(layer[0], dtype, gpus))
        if share <= 0:
            raise PRMError(
                f"The head of {name!r} alone is larger than half of prm_gpu_mem_util {config.prm_gpu_mem_util}.",
                "Type: --prm-gpu-mem-util with a larger share",
            )
        self._engines.append(
            PoolingEngine(
                config,
                source,
                task="token_embed",
                context=self._context,
                share=share,
                gpus=gpus,
                convert="embed",
                **revision_args(source, revision),
            )
        )
        return layer

    async def close(self) -> None:
        """Shut down the engines and release the heads; a second call does nothing."""
        for engine in self._engines:
            await engine.close()
        heads, self._heads = self._heads, []
        for head in heads:
            await head.close()
        if heads:
            await asyncio.to_thread(free_memory)

    async def read(self, inputs: Sequence[ScoringInput]) -> list[tuple[TokenLogprobs, TokenLogprobs]]:
        """Compute the log-probabilities of both models, all inputs concurrently [inputs].

        Raises:
            PRMError: vLLM rejected a request, or a head failed.
            EngineDeadError: an engine has ended.
        """
        if not self._heads:
            raise EngineDeadError("The PRM is closed.")
        models = list(zip(self._engines, self._heads, strict=True))
        logprobs = await gather_or_cancel([_logprobs(*model, each) for each in inputs for model in models])
        return list(zip(logprobs[::2], logprobs[1::2], strict=True))


class _Head:
    """The language-model head of one model, applied by one thread to batches of waiting requests."""

    def __init__(self, weight: Any, bias: Any, device: str, dtype: Any) -> None:
        self._weight = weight.to(device=device, dtype=dtype)
        self._bias = None if bias is None else bias.to(self._weight)
        self._thread = model_thread("eurus-head")
        self._batch: MicroBatcher[tuple[Any, Sequence[int]], tuple[float, ...]] = MicroBatcher(
            self._read, self._thread, weigh=lambda request: len(request[1]), max_weight=MAX_LOGIT_ROWS, max_items=64
        )

    async def read(self, hidden: Any, targets: Sequence[int]) -> tuple[float, ...]:
        """Compute the log-probability [positions] of the token after each hidden state [positions, width]."""
        [logprobs] = await self._batch.ask([(hidden, targets)])
        return logprobs

    async def close(self) -> None:
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)

    def _read(self, requests: list[tuple[Any, Sequence[int]]]) -> list[tuple[float, ...]]:
        import torch
        from torch.nn.functional import linear

        try:
            states = torch.cat([hidden for hidden, _ in requests]).to(self._weight)
            ids = [each for _, targets in requests for each in targets]
            with torch.inference_mode():
                logprobs = token_logprobs(lambda rows: linear(rows, self._weight, self._bias), states, ids)
        except RuntimeError as error:
            if gpu_failed(error):
                raise EngineDeadError(f"The GPU failed: {sentence(error)}") from error
            raise PRMError(f"The PRM's head failed: {sentence(error)}") from error
        return [tuple(each.tolist()) for each in logprobs.split([len(targets) for _, targets in requests])]


async def _logprobs(engine: PoolingEngine, head: _Head, scoring_input: ScoringInput) -> TokenLogprobs:
    import torch

    rows = await engine.read(scoring_input)
    hidden = torch.stack([rows.by_position[position] for position in scoring_input.positions])
    values = await head.read(hidden, [scoring_input.ids[position + 1] for position in scoring_input.positions])
    return TokenLogprobs(values, rows.tokens, rows.tokens - rows.cached)


def _head_memory_share(weight: Any, dtype: str, gpus: Sequence[int]) -> float:
    """Return the share of a GPU's memory that a head needs, plus half of this process's own CUDA context."""
    from vllm.platforms import current_platform

    width = 4 if dtype == "float32" else 2
    working = MAX_LOGIT_ROWS * int(weight.shape[0]) * (width + 4 + 4)  # logits, in float32, and their logarithms
    needed = width * int(weight.numel()) + working + CONTEXT_GIB * 2**29
    return needed / int(current_platform.get_device_total_memory(gpus[0] if gpus else 0))
