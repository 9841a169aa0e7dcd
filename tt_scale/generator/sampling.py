"""Drawing the next token from logits, with every setting explicit."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tt_scale.base_classes import Sampling

__all__ = ["draw", "filtered"]


def filtered(logits: Any, sampling: Sampling, seen: Collection[int]) -> Any:
    """Apply repetition penalty, temperature, min-p, top-k and top-p, in the order in which vLLM applies them.

    Args:
        logits: float32 [vocabulary].
        sampling: temperature above 0.
        seen: ids of prompt and continuation, which the penalty makes less likely.

    Returns:
        Logits in which what must not be drawn is minus infinity [vocabulary].
    """
    import torch

    logits = _penalised(logits, sampling, seen) / sampling.temperature
    nothing = float("-inf")
    if sampling.min_p > 0:
        probabilities = torch.softmax(logits, dim=-1)
        logits = logits.masked_fill(probabilities < sampling.min_p * probabilities.max(), nothing)
    if 0 < sampling.top_k < len(logits):
        least = torch.topk(logits, sampling.top_k).values[-1]
        logits = logits.masked_fill(logits < least, nothing)
    if sampling.top_p < 1:
        ordered, order = torch.sort(logits, descending=True)
        probabilities = torch.softmax(ordered, dim=-1)
        before = torch.cumsum(probabilities, dim=-1) - probabilities  # the likeliest token always stays
        logits = logits.index_fill(0, order[before >= sampling.top_p], nothing)
    return logits


def draw(logits: Any, sampling: Sampling, seen: Collection[int], chance: Any) -> int:
    """Draw one token.

    Args:
        logits: of the next token [vocabulary].
        sampling: how; temperature 0 takes the likeliest.
        seen: ids of prompt and continuation.
        chance: a `torch.Generator` of this request alone, so that what else is in the batch changes nothing.
    """
    import torch

    logits = logits.float().cpu()
    if sampling.temperature == 0:
        return int(_penalised(logits, sampling, seen).argmax())
    probabilities = torch.softmax(filtered(logits, sampling, seen), dim=-1)
    return int(torch.multinomial(probabilities, 1, generator=chance))


def _penalised(logits: Any, sampling: Sampling, seen: Collection[int]) -> Any:
    """Divide positive logits of seen tokens by the penalty and multiply negative ones (Keskar et al. 2019)."""
    import torch

    if sampling.repetition_penalty == 1 or not seen:
        return logits
    ids = torch.tensor(sorted(set(seen)))
    old = logits[ids]
    new = torch.where(old > 0, old / sampling.repetition_penalty, old * sampling.repetition_penalty)
    return logits.index_copy(0, ids, new)
