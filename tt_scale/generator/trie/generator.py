"""Transformers as generator for small models that are sampled again and again: nothing is computed twice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar

from tt_scale.core.records import Step, StepRequest
from tt_scale.engines.micro_batcher import MicroBatcher
from tt_scale.engines.transformers.kv_batch import bytes_per_token
from tt_scale.engines.transformers.loading import best_device
from tt_scale.errors import ConfigError
from tt_scale.generator.decoding import Decoder
from tt_scale.generator.huggingface import HuggingFaceGenerator, error_text, split_on_failure
from tt_scale.generator.trie.decoder import TrieDecoder
from tt_scale.generator.trie.node import Walk

__all__ = ["TrieGenerator"]

MAX_WALKS = 2048
NODE_BYTES = 2048
"""Bytes of a node beside its logits."""


class TrieGenerator(HuggingFaceGenerator):
    """A causal language model on Transformers that keeps what follows every prefix it has seen.

    It draws the same tokens as `huggingface` does in float32, and they count alike. It pays where many samples share
    beginnings: a small vocabulary, a model that is sure of most tokens, many methods over the same problems. Keys and
    values have the memory that `huggingface` gives them, half for what is kept and half for a batch; the logits have
    `kv_cache_gib` beside it, and when that is full they are forgotten and computed anew.

    Args:
        config: of the run; read are the model's name and how to load it.

    Raises:
        ConfigError: it asks for several GPUs, which is vLLM's business.
    """

    summary: ClassVar[str] = "a small causal language model on Transformers that computes no prefix twice"

    def _made_decoder(self, model: Any, most: int) -> Decoder:
        config = self._config
        if not bytes_per_token(model):
            raise ConfigError(
                f"The keys and values of {config.model_name!r} cannot be kept: it looks at a window, or its "
                "frequencies change with the length.",
                "Type: --generator huggingface",
            )
        self._batch = max(most // 2, 1)
        node = 4 * int(model.config.get_text_config().vocab_size) + NODE_BYTES
        return TrieDecoder(
            model,
            self.tokens,
            best_device(),
            self._tick,
            kv_capacity=self._batch,
            max_prefixes=max(int(config.kv_cache_gib * 2**30) // node, 1),
        )

    async def start(self) -> None:
        """Load tokenizer and model; errors as of `huggingface`, and a ConfigError where keys cannot be kept."""
        await super().start()
        self._walks: MicroBatcher[Walk, None] = MicroBatcher(
            self._explore,
            self._thread,
            weigh=lambda walk: len(walk.request.ids) + walk.request.max_tokens,
            max_weight=self._batch,
            max_items=MAX_WALKS,
        )

    async def generate(self, requests: Sequence[StepRequest]) -> list[Step]:
        """Sample one continuation for each request, in the order of the requests; errors as of `huggingface`."""
        self._check_open()
        decoder = self._decoder
        assert isinstance(decoder, TrieDecoder), "start() comes first"
        await asyncio.sleep(0)  # a search that never asks the model would keep all others waiting
        walks = [self._begun(decoder, request) for request in requests]
        while waiting := [walk for walk in walks if not decoder.advance(walk)]:
            self._check_open()
            await self._walks.ask(waiting)
        return [decoder.step(walk) for walk in walks]

    def _begun(self, decoder: TrieDecoder, request: StepRequest) -> Walk:
        walk = decoder.walk(request)
        if len(request.ids) + request.max_tokens > self.context:
            walk.ended, walk.cached = "context", 0
        return walk

    def _explore(self, walks: list[Walk]) -> list[None]:
        def explored(some: list[Walk]) -> list[None]:
            assert isinstance(self._decoder, TrieDecoder)
            self._decoder.explore(some)
            return [None] * len(some)

        return split_on_failure(explored, walks, _fail)


def _fail(walk: Walk, error: Exception) -> None:
    walk.ended, walk.error = "error", error_text(error)
