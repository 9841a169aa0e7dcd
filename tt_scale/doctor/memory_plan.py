"""Memory plan of a run's models: arithmetic only, without loading or querying anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from tt_scale.engines.model_size import ModelSize
from tt_scale.engines.vllm.devices import CONTEXT_GIB

__all__ = ["MemoryPlan", "Share", "plan_cpu", "plan_gpu", "together"]

GIB = 2**30
OVERHEAD_GIB = 1.5
"""GiB that an engine needs beside weights and KV cache: activations, kernels, graphs."""
USABLE_RAM = 0.9


@dataclass(frozen=True, slots=True)
class Share:
    """Memory share of one model.

    Attributes:
        role: "generator" or "PRM".
        name: name of the model.
        size: size of the model.
        key: configuration key that grants the memory.
        granted: value of that key: a share of each GPU in (0, 1], or GiB of KV cache on a CPU.
        context: tokens for which the KV cache needs room.
        place: the device, if the models are on different ones.
    """

    role: str
    name: str
    size: ModelSize
    key: str
    granted: float
    context: int
    place: str = ""


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """Result of the plan.

    Attributes:
        lines: one line per model.
        fits: whether the models fit; None if a size is unknown.
        verdict: one line, with what to change if they do not fit.
    """

    lines: tuple[str, ...]
    fits: bool | None
    verdict: str


def plan_gpu(shares: Sequence[Share], gpu_gib: float, split: int) -> MemoryPlan:
    """Plan models that share the same GPUs.

    Args:
        shares: memory shares of the models.
        gpu_gib: memory of the smallest GPU, above 0.
        split: number of GPUs over which a model is split (`tensor_parallel_size`).
    """
    lines, faults, unknown = [], [], False
    for share in shares:
        granted = share.granted * gpu_gib
        lines.append(f"{_about(share)}; {share.key} {share.granted:g} grants {granted:.1f} GiB of {gpu_gib:.0f}")
        if share.size.weight_bytes is None:
            unknown = True
            continue
        context = (share.size.kv_bytes or 0) * share.context
        need = (share.size.weight_bytes + context) / GIB / split + OVERHEAD_GIB
        if need > granted:
            faults.append(_more_gpu(share, need, gpu_gib))
    total = sum([share.granted for share in shares])
    keys = " + ".join([share.key for share in shares])
    if total > 1:
        faults.append(f"{keys} is {total:g}, above 1: lower one of them")
    elif total * gpu_gib + CONTEXT_GIB * len(shares) > gpu_gib:
        rest = (1 - total) * gpu_gib
        faults.append(
            f"{keys} is {total:g}, which leaves {rest:.1f} GiB, and each engine takes {CONTEXT_GIB:g} GiB beside its "
            "share: lower one of them"
        )
    return _judged(lines, faults, unknown)


def plan_cpu(shares: Sequence[Share], ram_gib: float) -> MemoryPlan:
    """Plan models in main memory, each with `kv_cache_gib` for its KV cache; arguments as in `plan_gpu`."""
    lines, faults, unknown, total = [], [], False, 0.0
    for share in shares:
        lines.append(f"{_about(share)}; {share.key} {share.granted:g}")
        if share.size.weight_bytes is None:
            unknown = True
            continue
        total += share.size.weight_bytes / GIB + share.granted + OVERHEAD_GIB
        context = (share.size.kv_bytes or 0) * share.context / GIB
        if context > share.granted:
            faults.append(f"one solution of the {share.role} needs {context:.1f} GiB: raise {share.key}")
    if total > ram_gib * USABLE_RAM:
        faults.append(
            f"{total:.1f} GiB are needed, {ram_gib * USABLE_RAM:.1f} of {ram_gib:.1f} are to be had: "
            "take smaller models or a smaller kv_cache_gib"
        )
    return _judged(lines, faults, unknown)


def together(plans: Sequence[MemoryPlan]) -> MemoryPlan:
    """Combine the plans of separate devices."""
    lines = tuple([line for plan in plans for line in plan.lines])
    for outcome in (False, None):
        verdicts = [plan.verdict for plan in plans if plan.fits is outcome]
        if verdicts:
            return MemoryPlan(lines, outcome, " ".join(dict.fromkeys(verdicts)))
    return MemoryPlan(lines, True, "Fits.")


def _about(share: Share) -> str:
    size, where = share.size, f" on {share.place}" if share.place else ""
    if size.parameters is None or size.weight_bytes is None:
        return f"{share.role} {share.name}{where}: size unknown"
    cache = f", KV cache {size.kv_bytes / 1024:.0f} KiB a token" if size.kv_bytes else ""
    return (
        f"{share.role} {share.name}{where}: {_short(size.parameters)} parameters (by its {size.source}), "
        f"weights {size.weight_bytes / GIB:.1f} GiB{cache}"
    )


def _short(count: int) -> str:
    return f"{count / 1e9:.1f}B" if count >= 1e9 else f"{count / 1e6:.0f}M"


def _more_gpu(share: Share, need: float, gpu_gib: float) -> str:
    least = ceil(need / gpu_gib * 100) / 100
    need_text = f"the {share.role} needs about {need:.1f} GiB"
    if least <= 1:
        return f"{need_text}: raise {share.key} to {least:g}"
    return f"{need_text}, more than one GPU has: raise tensor_parallel_size, or take a smaller or quantized model"


def _judged(lines: Sequence[str], faults: Sequence[str], unknown: bool) -> MemoryPlan:
    if faults:
        return MemoryPlan(tuple(lines), False, f"Does not fit: {'; '.join(faults)}.")
    if unknown:
        return MemoryPlan(tuple(lines), None, "Cannot tell: neither folder nor name says how large a model is.")
    return MemoryPlan(tuple(lines), True, "Fits.")
