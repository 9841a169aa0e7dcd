"""Decoder that computes the next-token logits of each prefix once, and reuses them from a trie.

Requests that reach the end of the trie wait for the model. A batch has one row for each distinct prefix that is waited
for; a row splits if its requests draw different tokens. Rows are decoded as in `decoding`; their keys and values are
cached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from tt_scale.core.records import StepRequest
from tt_scale.engines.transformers.kv_batch import build_cache, extract_kv
from tt_scale.engines.transformers.radix_cache import RadixCache
from tt_scale.errors import GeneratorError
from tt_scale.generator.decoding import Decoder
from tt_scale.generator.tokens import Tokens
from tt_scale.generator.trie.node import Node, PrefixTrie, Walk

__all__ = ["TrieDecoder"]

TOKENS_PER_CALL = 8
"""Tokens that a batch decodes before other waiting requests may join; longer runs would leave batches small."""


@dataclass(slots=True, eq=False)
class _Branch:
    """A row of the batch: a prefix, and the requests that wait for its next-token logits."""

    prefix: tuple[int, ...]
    past: int
    kv_chunks: list[Any]
    node: Node
    walks: list[Walk]


class TrieDecoder(Decoder):
    """A decoder with a trie of logits and a radix cache of keys and values.

    Args:
        model: a causal language model of Transformers whose keys and values can be reused.
        tokens: its tokenizer.
        device: device of the model.
        stopped: called between two tokens; if it returns True, the batch is aborted.
        kv_capacity: largest number of tokens whose keys and values are cached, at least 1.
        max_prefixes: largest number of prefixes whose logits are cached, at least 1; if exceeded, all are evicted.
    """

    def __init__(
        self,
        model: Any,
        tokens: Tokens,
        device: Any,
        stopped: Callable[[], bool] = lambda: False,
        *,
        kv_capacity: int,
        max_prefixes: int,
    ) -> None:
        super().__init__(model, tokens, device, stopped)
        self._kv_cache = RadixCache(kv_capacity)
        self._trie = PrefixTrie(self._ended, max_prefixes)
        self._most_texts = max_prefixes
        self._texts: dict[tuple[int, ...], str] = {}

    def walk(self, request: StepRequest) -> Walk:
        """Start a request at the node of its prompt."""
        return self._trie.walk(request)

    def advance(self, walk: Walk) -> bool:
        """Draw tokens as long as logits are cached, and return whether the request has ended.

        May run while `explore` runs in another thread.
        """
        while walk.ended is None and walk.node.logits is not None:
            self._trie.draw(walk)
        return walk.ended is not None

    def explore(self, walks: Sequence[Walk]) -> None:
        """Compute logits that walks wait for, and the next few tokens; a request usually needs several calls.

        Raises:
            GeneratorError: the decoder was stopped.
        """
        import torch

        self._trie.evict_if_full()
        with torch.inference_mode():
            for branches in self._branches([walk for walk in walks if not self.advance(walk)]):
                self._read_on(branches)

    def _branches(self, walks: Sequence[Walk]) -> Iterator[list[_Branch]]:
        """Create one branch for each node that is waited for, grouped by similar numbers of tokens to compute."""
        waiting: dict[int, _Branch] = {}
        for walk in walks:
            branch = waiting.get(id(walk.node))
            if branch is None:
                prefix = walk.prefix
                branch = waiting[id(walk.node)] = _Branch(
                    prefix, *self._kv_cache.match_prefix(prefix[:-1]), walk.node, []
                )
            if not walk.ids and not branch.walks:
                walk.cached = branch.past
            branch.walks.append(walk)

        def magnitude(branch: _Branch) -> int:
            return (len(branch.prefix) - branch.past).bit_length()

        for _, group in groupby(sorted(waiting.values(), key=magnitude), key=magnitude):
            yield list(group)

    def _read_on(self, branches: list[_Branch]) -> None:
        """Compute branches, and continue while walks draw tokens without cached logits."""
        import torch

        logits, cache, mask = self._enter(branches)
        for left in reversed(range(TOKENS_PER_CALL)):
            if self._stopped():
                raise GeneratorError("The generator was closed while it was sampling.")
            self._trie.set_logits([branch.walks for branch in branches], logits)
            parents, grown = self._split(branches)
            continued = set(parents) if left else set()
            ended = [index for index in range(len(branches)) if index not in continued]
            self._cache_branches([branches[index] for index in ended], cache, torch.tensor(ended, device=self._device))
            if not continued:
                return
            if parents != list(range(len(branches))):
                chosen = torch.tensor(parents, device=self._device)
                cache.reorder_cache(chosen)
                mask = mask.index_select(0, chosen)
            mask = torch.cat([mask, mask.new_ones(len(grown), 1)], dim=1)
            branches = grown
            out = self._model(
                input_ids=torch.tensor([[branch.prefix[-1]] for branch in branches], device=self._device),
                attention_mask=mask,
                position_ids=mask.sum(dim=1, keepdim=True) - 1,
                past_key_values=cache,
                use_cache=True,
            )
            logits = out.logits[:, -1]

    def _enter(self, branches: Sequence[_Branch]) -> tuple[Any, Any, Any]:
        """Prefill the uncached part of each branch: logits of the next token [branches, vocabulary], cache, mask."""
        import torch

        longest = max([branch.past for branch in branches])
        width = max([len(branch.prefix) - branch.past for branch in branches])
        padding = [width - len(branch.prefix) + branch.past for branch in branches]
        pairs = list(zip(branches, padding, strict=True))
        ids = [[*[0] * pad, *branch.prefix[branch.past :]] for branch, pad in pairs]
        positions = [[*[0] * pad, *range(branch.past, len(branch.prefix))] for branch, pad in pairs]
        mask = torch.tensor(
            [
                [0] * (longest - branch.past) + [1] * branch.past + [0] * pad + [1] * (width - pad)
                for branch, pad in pairs
            ],
            device=self._device,
        )
        out = self._model(
            input_ids=torch.tensor(ids, device=self._device),
            attention_mask=mask,
            position_ids=torch.tensor(positions, device=self._device),
            past_key_values=build_cache([branch.kv_chunks for branch in branches], longest),
            use_cache=True,
            **self._last_row,
        )
        return out.logits[:, -1], out.past_key_values, mask

    def _split(self, branches: Sequence[_Branch]) -> tuple[list[int], list[_Branch]]:
        """Draw one token for every walk, and return the new branches and the index of the parent of each."""
        parents: list[int] = []
        grown: dict[int, _Branch] = {}
        for index, branch in enumerate(branches):
            for walk in branch.walks:
                self._trie.draw(walk)
                if walk.ended is not None or walk.node.logits is not None:
                    continue  # a walk that reaches cached logits continues by `advance`
                child = grown.get(id(walk.node))
                if child is None:
                    prefix = (*branch.prefix, walk.ids[-1])
                    child = grown[id(walk.node)] = _Branch(prefix, branch.past, [], walk.node, [])
                    parents.append(index)
                child.walks.append(walk)
        return parents, list(grown.values())

    def _cache_branches(self, branches: Sequence[_Branch], cache: Any, rows: Any) -> None:
        """Cache the keys and values of branches that end here; they include those of their ancestors."""
        if not branches:
            return
        new = [len(branch.prefix) - branch.past for branch in branches]
        most = max(new)
        new_kv = extract_kv(cache, cache.get_seq_length() - most, rows)
        for number, (branch, count) in enumerate(zip(branches, new, strict=True)):
            self._kv_cache.insert(branch.prefix, branch.past, new_kv[:, :, number, :, most - count :].clone())

    def _text(self, ids: tuple[int, ...]) -> str:
        text = self._texts.get(ids)
        if text is None:
            if len(self._texts) >= self._most_texts:
                self._texts.clear()
            text = self._texts[ids] = super()._text(ids)
        return text
