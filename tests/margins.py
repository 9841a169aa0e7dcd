"""What rounding may and may not decide in a test: tolerances, and how far a draw lies from being another one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from tt_scale.base_classes import Step, StepRequest

UNIT = 1.01e-4
"""One in the fourth decimal, with the error of writing it in binary: two numbers that are rounded to four decimals may
lie so far apart where the numbers themselves are equal but for their last bits."""

CLOSE = 3e-4
"""Of scores in float32 that were computed in another order, or from log-probabilities of four decimals: kernels,
batches and caches make a hundredth of it, a place that is one token off a hundred times as much."""

NOISE = 1e-5
"""Of logits in float32: what kernels, batches and caches change in them is smaller."""

TRIES = 6


TOGETHER = 16


def assert_decided(folder: Path, requests: Sequence[StepRequest], steps: Sequence[Step]) -> None:
    """See that rounding decided none of these tokens: logits that are others by `NOISE` draw the same ones.

    Where this fails the seeds are badly chosen, or the weights are others than those that they were chosen for: two
    backends, or two batches, may then differ and both be right.
    """
    pairs = [(request, step) for request, step in zip(requests, steps, strict=True) if step.ids]
    pairs.sort(key=lambda pair: len(pair[0].ids + pair[1].ids))
    for first in range(0, len(pairs), TOGETHER):
        some = pairs[first : first + TOGETHER]
        for (request, step), logits in zip(some, _logits(folder, some), strict=True):
            drawn = _drawn(request, step, logits)
            assert drawn == [list(step.ids)] * TRIES, f"rounding decides tokens of seed {request.seed}"


def _logits(folder: Path, pairs: Sequence[tuple[StepRequest, Step]]) -> list[Any]:
    """What one forward pass says of every token of these steps, padded on the right: [pairs][ids, vocabulary]."""
    import torch

    read = [request.ids + step.ids[:-1] for request, step in pairs]
    width = max(map(len, read))
    with torch.inference_mode():
        logits = _model(folder)(torch.tensor([[*ids, *[0] * (width - len(ids))] for ids in read])).logits
    return [row[len(ids) - len(step.ids) : len(ids)] for row, ids, (_, step) in zip(logits, read, pairs, strict=True)]


def _drawn(request: StepRequest, step: Step, logits: Any) -> list[list[int]]:
    """The tokens that are drawn, each time with other noise [tries][ids]."""
    import torch

    from tt_scale.generator.decoding import uniforms_of
    from tt_scale.generator.sampling import SamplingTensors, draw

    logits = logits.repeat(TRIES, 1)
    signs = torch.randint(2, logits.shape, generator=torch.Generator().manual_seed(request.seed))
    sampling = SamplingTensors.of([request.sampling] * len(logits), logits.device)
    uniforms = torch.tensor(uniforms_of(request)[: len(step.ids)] * TRIES, dtype=torch.float64)
    drawn = draw(logits + NOISE * (2 * signs - 1), sampling, _seen(request, step, logits), uniforms)
    return drawn.reshape(TRIES, -1).tolist()  # type: ignore[no-any-return]


def _seen(request: StepRequest, step: Step, logits: Any) -> Any:
    """The tokens that a penalty is for [tries * ids, vocabulary]; None without one."""
    import torch

    if request.sampling.repetition_penalty == 1:
        return None
    seen = torch.zeros_like(logits, dtype=torch.bool)
    for row in range(len(seen)):
        seen[row, list(request.ids + step.ids[: row % len(step.ids)])] = True
    return seen


@lru_cache(maxsize=1)
def _model(folder: Path) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
