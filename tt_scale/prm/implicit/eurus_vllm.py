"""The two models of an implicit PRM on vLLM: their engines give hidden states, their heads are asked in this process.

vLLM tells log-probabilities of a prompt only by reading all of it again, at every step. Its pooling engines give the
hidden states of what they compute and keep the rest cached, but hold no language-model head; ours is the same matrix.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tt_scale.core.concurrency import gather_or_cancel
from tt_scale.engines.dtypes import place_of, resolve_dtype
from tt_scale.engines.load_errors import sentence
from tt_scale.engines.micro_batcher import MicroBatcher, model_thread
from tt_scale.engines.transformers.loading import free_memory, gpu_failed
from tt_scale.engines.vllm.devices import CONTEXT_GIB, prm_gpus
from tt_scale.engines.vllm.engine import on_cpu, prepare_vllm, revision_args
from tt_scale.errors import EngineDeadError, PRMError
from tt_scale.prm.adapters.base import Reading
from tt_scale.prm.heads import read_output_embeddings
from tt_scale.prm.implicit.next_tokens import MOST_ROWS, Following, TwoModels, log_probabilities
from tt_scale.prm.pooling import PoolingEngine

if TYPE_CHECKING:
    from tt_scale.config import Config

__all__ = ["TwoOnVLLM"]


class TwoOnVLLM(TwoModels):
    """Both read each new step once; engine and head of each have half of the PRM's memory.

    Args:
        config: of the run; read are `prm_name` and how to load a model.
        models: name, folder or hub name, and revision of each [2].
        context: most tokens of a prompt.
    """

    def __init__(self, config: Config, models: Sequence[tuple[str, str, str | None]], context: int) -> None:
        self._config = config
        self._models = models
        self._context = context
        self._engines: list[PoolingEngine] = []
        self._heads: list[_Head] = []

    async def start(self) -> None:
        """Start both engines, on a GPU one after the other, and load the heads.

        Raises:
            PRMError: a model lacks the weights of its head.
            GeneratorError: vLLM cannot start an engine.
            ConfigError: it cannot run on `prm_device`.
            MissingExtraError: vLLM is not installed.
        """
        config = self._config
        await asyncio.to_thread(prepare_vllm, f"Scoring with {config.prm_name!r}")
        gpus = await asyncio.to_thread(prm_gpus, config)
        device = "cpu" if await asyncio.to_thread(on_cpu) else f"cuda:{gpus[0] if gpus else 0}"
        layers = [await self._made(name, source, revision, device, gpus) for name, source, revision in self._models]
        if device == "cpu":  # on a GPU an engine measures what memory is free while it starts
            for engine in self._engines:
                await engine.launch()
        for engine, layer in zip(self._engines, layers, strict=True):
            await engine.start()
            self._heads.append(await asyncio.to_thread(_Head, *layer, device, engine.dtype))
        self.sizes = tuple([engine.parameters for engine in self._engines])

    async def _made(
        self, name: str, source: str, revision: str | None, device: str, gpus: Sequence[int]
    ) -> tuple[Any, Any]:
        """Make the engine of one model, and give the layer of its head."""
        config = self._config
        layer = await asyncio.to_thread(read_output_embeddings, name, source, revision)
        place = place_of("vllm", config.prm_device)
        dtype = resolve_dtype(config.dtype, place, source, config.prm_quantization, revision)
        share = config.prm_gpu_mem_util / 2 - (0.0 if device == "cpu" else _part(layer[0], dtype, gpus))
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
        """End the engines and let go of the heads; a second call does nothing."""
        for engine in self._engines:
            await engine.close()
        heads, self._heads = self._heads, []
        for head in heads:
            await head.close()
        if heads:
            await asyncio.to_thread(free_memory)

    async def read(self, readings: Sequence[Reading]) -> list[tuple[Following, Following]]:
        """Give what both say [readings], all at once.

        Raises:
            PRMError: vLLM refused, or the head failed.
            EngineDeadError: an engine is gone.
        """
        if not self._heads:
            raise EngineDeadError("The PRM is closed.")
        both = list(zip(self._engines, self._heads, strict=True))
        said = await gather_or_cancel([_said(*each, reading) for reading in readings for each in both])
        return list(zip(said[::2], said[1::2], strict=True))


class _Head:
    """The language-model head of one model, asked by one thread with whatever is waiting."""

    def __init__(self, weight: Any, bias: Any, device: str, dtype: Any) -> None:
        self._weight = weight.to(device=device, dtype=dtype)
        self._bias = None if bias is None else bias.to(self._weight)
        self._thread = model_thread("eurus-head")
        self._batch: MicroBatcher[tuple[Any, Sequence[int]], tuple[float, ...]] = MicroBatcher(
            self._read, self._thread, weigh=lambda asked: len(asked[1]), max_weight=MOST_ROWS, max_items=64
        )

    async def read(self, hidden: Any, following: Sequence[int]) -> tuple[float, ...]:
        """Give the log-probability [positions] of each token behind a hidden state [positions, width]."""
        [found] = await self._batch.ask([(hidden, following)])
        return found

    async def close(self) -> None:
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)

    def _read(self, asked: list[tuple[Any, Sequence[int]]]) -> list[tuple[float, ...]]:
        import torch
        from torch.nn.functional import linear

        try:
            states = torch.cat([hidden for hidden, _ in asked]).to(self._weight)
            ids = [each for _, following in asked for each in following]
            with torch.inference_mode():
                found = log_probabilities(lambda rows: linear(rows, self._weight, self._bias), states, ids)
        except RuntimeError as error:
            if gpu_failed(error):
                raise EngineDeadError(f"The GPU failed: {sentence(error)}") from error
            raise PRMError(f"The PRM's head failed: {sentence(error)}") from error
        return [tuple(each.tolist()) for each in found.split([len(following) for _, following in asked])]


async def _said(engine: PoolingEngine, head: _Head, reading: Reading) -> Following:
    import torch

    rows = await engine.read(reading)
    hidden = torch.stack([rows.found[place] for place in reading.positions])
    values = await head.read(hidden, [reading.ids[place + 1] for place in reading.positions])
    return Following(values, rows.tokens, rows.tokens - rows.cached)


def _part(weight: Any, dtype: str, gpus: Sequence[int]) -> float:
    """What part of a GPU's memory a head takes, with half of what this process takes there by itself."""
    from vllm.platforms import current_platform

    width = 4 if dtype == "float32" else 2
    working = MOST_ROWS * int(weight.shape[0]) * (width + 4 + 4)  # logits, in float32, and their logarithms
    needed = width * int(weight.numel()) + working + CONTEXT_GIB * 2**29
    return needed / int(current_platform.get_device_total_memory(gpus[0] if gpus else 0))
