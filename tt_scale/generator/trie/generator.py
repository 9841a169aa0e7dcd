"""Generator on Transformers for small models that are sampled often: next-token logits are cached per prefix."""

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
"""Size of a node without its logits, in bytes."""


class TrieGenerator(HuggingFaceGenerator):
    """A causal language model on Transformers with a cache of next-token logits.

    It samples the same tokens as `huggingface` does in float32, and counts them alike. It is faster if many samples
    share prefixes: with a small vocabulary, a model that is certain of most tokens, or many methods over the same
    problems. Keys and values have the same memory as with `huggingface`, half for the cache and half for a batch. The
    logits have another `kv_cache_gib`; when it is full, they are evicted and computed again.

    Args:
        config: configuration of the run; uses the model's name and the keys for loading models.

    Raises:
        ConfigError: `tensor_parallel_size` is above 1, which only vLLM supports.
    """

    summary: ClassVar[str] = "a small causal language model on Transformers that computes no prefix twice"

    def _made_decoder(self, model: Any, most: int) -> Decoder:
        config = self._config
        if not bytes_per_token(model):
            raise ConfigError(
                f"The keys and values of {config.model_name!r} cannot be reused: it has sliding-window attention, or "
                "rotary frequencies that change with the length.",
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
        """Load tokenizer and model; errors as in `huggingface`, and a ConfigError if keys cannot be reused."""
        await super().start()
        self._walks: MicroBatcher[Walk, None] = MicroBatcher(
            self._explore,
            self._thread,
            weigh=lambda walk: len(walk.request.ids) + walk.request.max_tokens,
            max_weight=self._batch,
            max_items=MAX_WALKS,
        )

    async def generate(self, requests: Sequence[StepRequest]) -> list[Step]:
        """Sample one continuation for each request, in the order of the requests; errors as in `huggingface`."""
        self._check_open()
        decoder = self._decoder
        assert isinstance(decoder, TrieDecoder), "start() comes first"
        await asyncio.sleep(0)  # a search that never waits for the model would block all others
        walks = [self._start_walk(decoder, request) for request in requests]
        while waiting := [walk for walk in walks if not decoder.advance(walk)]:
            self._check_open()
            await self._walks.ask(waiting)
        return [decoder.step(walk) for walk in walks]

    def _start_walk(self, decoder: TrieDecoder, request: StepRequest) -> Walk:
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
