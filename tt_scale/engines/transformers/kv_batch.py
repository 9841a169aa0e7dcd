"""Conversion of keys and values between the radix cache and the batched cache of a Transformers model.

The radix cache holds tensors [layers, 2, heads, tokens, width]; a model takes and returns, for each layer, keys and
values [rows, heads, tokens, width].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["bytes_per_token", "extract_kv", "build_cache"]


def build_cache(kv_chunks: Sequence[Sequence[Any]], longest: int) -> Any:
    """Build a `DynamicCache` from the cached prefixes of all rows, padded on the left.

    Args:
        kv_chunks: tensors of each row, to be joined along the tokens; empty if the row has no prefix [rows][chunks].
        longest: length of the longest prefix, in tokens.
    """
    from transformers import DynamicCache

    cache = DynamicCache()
    if not longest:
        return cache
    example = next(row for row in kv_chunks if row)[0]
    layers, both, heads, _, width = example.shape
    padded = example.new_empty(layers, both, len(kv_chunks), heads, longest, width)
    for number, row in enumerate(kv_chunks):
        end = longest
        for chunk in reversed(row):
            padded[:, :, number, :, end - chunk.shape[3] : end] = chunk
            end -= chunk.shape[3]
        padded[:, :, number, :, :end] = 0  # masked, but 0 times NaN is NaN
    for layer, (keys, values) in enumerate(padded):
        cache.update(keys, values, layer)
    return cache


def extract_kv(cache: Any, start: int, rows: Any = None) -> Any:
    """Extract keys and values from a model's cache.

    Args:
        cache: cache that the model returned.
        start: number of leading columns to skip.
        rows: indices of the rows to extract; None for all.

    Returns:
        Keys and values [layers, 2, rows, heads, columns - start, width].
    """
    import torch

    def part(tensor: Any) -> Any:
        chosen = tensor if rows is None else tensor.index_select(0, rows)
        return chosen[:, :, start:]

    return torch.stack([torch.stack([part(layer.keys), part(layer.values)]) for layer in cache.layers])


def bytes_per_token(base: Any) -> int:
    """Return the size of a token's keys and values in bytes; 0 if they cannot be reused in another batch.

    Reuse needs full attention in every layer (a sliding window counts positions of the padded row), and rotary
    frequencies that do not depend on the length (else cached keys become invalid).

    Args:
        base: a model of Transformers.
    """
    import torch

    settings = base.config
    rope = getattr(settings, "rope_parameters", None) or getattr(settings, "rope_scaling", None) or {}
    if getattr(settings, "sliding_window", None) or rope.get("rope_type") in ("dynamic", "longrope"):
        return 0
    try:
        from transformers.cache_utils import DynamicLayer
    except ImportError:
        return 0
    with torch.inference_mode():
        ids = torch.zeros((1, 2), dtype=torch.long, device=next(base.parameters()).device)
        layers = getattr(base(input_ids=ids, use_cache=True).past_key_values, "layers", ())
    tensors = [tensor for layer in layers if type(layer) is DynamicLayer for tensor in (layer.keys, layer.values)]
    if len(tensors) < 2 * len(layers) or len({tensor.shape for tensor in tensors}) != 1 or tensors[0].shape[2] != 2:
        return 0
    return sum([int(tensor.nbytes) for tensor in tensors]) // 2
