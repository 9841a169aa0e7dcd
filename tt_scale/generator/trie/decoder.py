"""A Transformers model that is asked once what follows a prefix.

Where the trie of all that was sampled ends, the model reads on: one row of a batch for each distinct prefix, which
splits where those that wait at it draw different tokens. Rows are as in `decoding`; their keys and values are kept.
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
"""Tokens that a batch draws before those who still wait are joined by others: alone they would make small batches."""


@dataclass(slots=True, eq=False)
class _Branch:
    """A row of the batch: a prefix that the model reads, and all who wait for what follows it."""

    prefix: tuple[int, ...]
    past: int
    kv_chunks: list[Any]
    node: Node
    walks: list[Walk]


class TrieDecoder(Decoder):
    """A loaded model and everything that was asked of it.

    Args:
        model: a causal language model of Transformers whose keys and values can be taken up again.
        tokens: its tokenizer.
        device: where it is.
        stopped: asked between two tokens; once it says yes, a batch is given up.
        kv_capacity: most tokens whose keys and values are kept, at least 1.
        max_prefixes: most prefixes whose logits are kept, at least 1; beyond them all are forgotten.
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
        """Begin to answer a request."""
        return self._trie.walk(request)

    def advance(self, walk: Walk) -> bool:
        """Draw as long as it is known how; whether that was to the end. May run beside `explore` in another thread."""
        while walk.ended is None and walk.node.logits is not None:
            self._trie.draw(walk)
        return walk.ended is not None

    def explore(self, walks: Sequence[Walk]) -> None:
        """Read what walks need to go on, and a little further; many take several calls.

        Raises:
            GeneratorError: it was stopped.
        """
        import torch

        self._trie.evict_if_full()
        with torch.inference_mode():
            for branches in self._branches([walk for walk in walks if not self.advance(walk)]):
                self._read_on(branches)

    def _branches(self, walks: Sequence[Walk]) -> Iterator[list[_Branch]]:
        """One branch for each node that is waited at; those with about as much to read are read together."""
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

        def effort(branch: _Branch) -> int:
            return (len(branch.prefix) - branch.past).bit_length()

        for _, group in groupby(sorted(waiting.values(), key=effort), key=effort):
            yield list(group)

    def _read_on(self, branches: list[_Branch]) -> None:
        """Read branches, and on while somebody draws what nobody has drawn there."""
        import torch

        logits, cache, mask = self._enter(branches)
        for left in reversed(range(TOKENS_PER_CALL)):
            if self._stopped():
                raise GeneratorError("The generator was closed while it was sampling.")
            self._trie.set_logits([branch.walks for branch in branches], logits)
            parents, grown = self._split(branches)
            going_on = set(parents) if left else set()
            ended = [place for place in range(len(branches)) if place not in going_on]
            self._keep([branches[place] for place in ended], cache, torch.tensor(ended, device=self._device))
            if not going_on:
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
        """Read what is new of each branch: logits of the next token [branches, vocabulary], cache, mask."""
        import torch

        longest = max([branch.past for branch in branches])
        width = max([len(branch.prefix) - branch.past for branch in branches])
        padding = [width - len(branch.prefix) + branch.past for branch in branches]
        pairs = list(zip(branches, padding, strict=True))
        ids = [[*[0] * less, *branch.prefix[branch.past :]] for branch, less in pairs]
        places = [[*[0] * less, *range(branch.past, len(branch.prefix))] for branch, less in pairs]
        mask = torch.tensor(
            [
                [0] * (longest - branch.past) + [1] * branch.past + [0] * less + [1] * (width - less)
                for branch, less in pairs
            ],
            device=self._device,
        )
        out = self._model(
            input_ids=torch.tensor(ids, device=self._device),
            attention_mask=mask,
            position_ids=torch.tensor(places, device=self._device),
            past_key_values=build_cache([branch.kv_chunks for branch in branches], longest),
            use_cache=True,
            **self._last_row,
        )
        return out.logits[:, -1], out.past_key_values, mask

    def _split(self, branches: Sequence[_Branch]) -> tuple[list[int], list[_Branch]]:
        """Let all draw one token: the branches that they wait at now, and for each the place of its parent."""
        parents: list[int] = []
        grown: dict[int, _Branch] = {}
        for place, branch in enumerate(branches):
            for walk in branch.walks:
                self._trie.draw(walk)
                if walk.ended is not None or walk.node.logits is not None:
                    continue  # who meets what is known goes on from there by itself
                found = grown.get(id(walk.node))
                if found is None:
                    prefix = (*branch.prefix, walk.ids[-1])
                    found = grown[id(walk.node)] = _Branch(prefix, branch.past, [], walk.node, [])
                    parents.append(place)
                found.walks.append(walk)
        return parents, list(grown.values())

    def _keep(self, branches: Sequence[_Branch], cache: Any, rows: Any) -> None:
        """Keep the keys and values of branches that nobody grows any more, which hold those of all before them."""
        if not branches:
            return
        new = [len(branch.prefix) - branch.past for branch in branches]
        most = max(new)
        fresh = extract_kv(cache, cache.get_seq_length() - most, rows)
        for number, (branch, count) in enumerate(zip(branches, new, strict=True)):
            self._kv_cache.insert(branch.prefix, branch.past, fresh[:, :, number, :, most - count :].clone())

    def _text(self, ids: tuple[int, ...]) -> str:
        found = self._texts.get(ids)
        if found is None:
            if len(self._texts) >= self._most_texts:
                self._texts.clear()
            found = self._texts[ids] = super()._text(ids)
        return found
