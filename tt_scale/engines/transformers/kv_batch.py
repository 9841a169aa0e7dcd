"""Keys and values of the rows of a batch, between the store that holds them by text and a model of Transformers.

A store holds tensors [layers, 2, heads, tokens, width]; a model takes and gives, for each layer, keys and values
[rows, heads, tokens, width].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["bytes_per_token", "extract_kv", "build_cache"]


def build_cache(kv_chunks: Sequence[Sequence[Any]], longest: int) -> Any:
    """A cache as if the pasts of all rows had been read in one batch, padded on the left.

    Args:
        kv_chunks: of each row, to be joined along the tokens; none where it has no past [rows][kv_chunks].
        longest: tokens of the longest past.
    """
    from transformers import DynamicCache

    cache = DynamicCache()
    if not longest:
        return cache
    some = next(row for row in kv_chunks if row)[0]
    layers, both, heads, _, width = some.shape
    held = some.new_empty(layers, both, len(kv_chunks), heads, longest, width)
    for number, row in enumerate(kv_chunks):
        at = longest
        for chunk in reversed(row):
            held[:, :, number, :, at - chunk.shape[3] : at] = chunk
            at -= chunk.shape[3]
        held[:, :, number, :, :at] = 0  # masked, but nothing times what is no number is none
    for layer, (keys, values) in enumerate(held):
        cache.update(keys, values, layer)
    return cache


def extract_kv(cache: Any, start: int, rows: Any = None) -> Any:
    """Take what a model has read out of its cache.

    Args:
        cache: as the model gave it.
        start: columns that are left out.
        rows: indices of those wanted; None for all.

    Returns:
        Keys and values [layers, 2, rows, heads, columns - start, width].
    """
    import torch

    def part(tensor: Any) -> Any:
        chosen = tensor if rows is None else tensor.index_select(0, rows)
        return chosen[:, :, start:]

    return torch.stack([torch.stack([part(layer.keys), part(layer.values)]) for layer in cache.layers])


def bytes_per_token(base: Any) -> int:
    """Bytes of a token's keys and values; 0 unless every layer attends to everything and keeps it as it was read.

    A window counts places in the padded row, and frequencies that change with the length leave old keys behind.

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
