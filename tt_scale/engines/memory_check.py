"""Check that the models of a run fit into main memory, before the kernel kills a process for lack of it."""

from __future__ import annotations

from pathlib import Path

from tt_scale.backends import ResolvedModels
from tt_scale.engines.dtypes import TYPES, fastest_type
from tt_scale.engines.machine import available_memory
from tt_scale.errors import GeneratorError

__all__ = ["needed_memory", "require_memory"]

GIB = 2**30
PROCESS_GIB = 0.4
"""Memory of this process with PyTorch and an engine's client."""
ENGINE_GIB = 0.5
"""Memory of a vLLM engine's process beside weights and KV cache: measured 0.48 (0.32 on x86-64)."""
GPUS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")


def require_memory(models: ResolvedModels) -> None:
    """Reject models that exceed the free main memory; not checked on a machine with a GPU.

    Raises:
        GeneratorError: the models need more memory than is free.
    """
    free = available_memory()
    if free is None or any(Path(device).exists() for device in GPUS):
        return
    needed, cache = needed_memory(models), models.config.kv_cache_gib
    if needed > free:
        raise GeneratorError(
            f"The models need at least {needed / GIB:.1f} GiB of memory; {free / GIB:.1f} GiB are free.",
            f"Lower --kv-cache-gib (now {cache:g} for each engine), use smaller models, or give the container more "
            "memory (docker run --memory).",
        )


def needed_memory(models: ResolvedModels) -> float:
    """Minimum memory of the models of a run in bytes; a model of unknown size counts as 0."""
    config, beside = models.config, models.generator.cls.engine
    loaded = [(each, config.quantization) for each in models.generator.weights]
    loaded += [(each, prm.config.prm_quantization) for prm in models.prms for each in prm.weights]
    if not loaded:
        return 0.0
    total = PROCESS_GIB * GIB
    for each, quantization in loaded:
        on_vllm = (each.engine or beside) == "vllm"  # an unknown engine is assumed to be the generator's
        engine = ENGINE_GIB + config.kv_cache_gib if on_vllm else 0.0
        total += _weights(each.name, config.dtype, quantization) + engine * GIB
    return total


def _weights(name: str, dtype: str | None, quantization: str | None) -> float:
    from tt_scale.engines.model_size import model_folder, model_size

    planned = dtype if dtype in TYPES else fastest_type()  # there is no GPU
    return model_size(name, str(planned), quantization, model_folder(name)).weight_bytes or 0.0
