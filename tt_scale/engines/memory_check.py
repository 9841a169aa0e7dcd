"""Check that the models of a run fit into main memory, before the system kills one of them."""

from __future__ import annotations

from pathlib import Path

from tt_scale.backends import ResolvedModels
from tt_scale.engines.dtypes import TYPES, fastest_type
from tt_scale.engines.machine import available_memory
from tt_scale.errors import GeneratorError

__all__ = ["needed_memory", "require_memory"]

GIB = 2**30
PROCESS_GIB = 0.4
"""This process with PyTorch and an engine's client."""
ENGINE_GIB = 0.5
"""A vLLM engine's process beside weights and KV cache: measured 0.48 (0.32, x86-64)."""
GPUS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")


def require_memory(models: ResolvedModels) -> None:
    """Refuse models that the free main memory cannot hold; where there is a GPU nothing is said.

    Raises:
        GeneratorError: it cannot.
    """
    free = available_memory()
    if free is None or any(Path(device).exists() for device in GPUS):
        return
    needed, cache = needed_memory(models), models.config.kv_cache_gib
    if needed > free:
        raise GeneratorError(
            f"The models need at least {needed / GIB:.1f} GiB of memory; {free / GIB:.1f} GiB are free.",
            f"Lower --kv-cache-gib (now {cache:g} for each engine), take smaller models, or give the "
            "container more (docker run --memory).",
        )


def needed_memory(models: ResolvedModels) -> float:
    """Bytes that the models of a run take at least; a model of unknown size counts as none."""
    config, beside = models.config, models.generator.cls.engine
    loaded = [(each, config.quantization) for each in models.generator.weights]
    loaded += [(each, prm.config.prm_quantization) for prm in models.prms for each in prm.weights]
    if not loaded:
        return 0.0
    total = PROCESS_GIB * GIB
    for each, quantization in loaded:
        on_vllm = (each.engine or beside) == "vllm"  # an engine that is not known is taken for the generator's
        engine = ENGINE_GIB + config.kv_cache_gib if on_vllm else 0.0
        total += _weights(each.name, config.dtype, quantization) + engine * GIB
    return total


def _weights(name: str, dtype: str | None, quantization: str | None) -> float:
    from tt_scale.engines.model_size import model_folder, model_size

    planned = dtype if dtype in TYPES else fastest_type()  # no GPU is there
    return model_size(name, str(planned), quantization, model_folder(name)).weight_bytes or 0.0
