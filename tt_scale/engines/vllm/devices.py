"""Device of the PRM's vLLM engine: `prm_device` is applied or rejected.

vLLM uses devices from the first one on. Newer versions accept device ids; for older ones only the chosen devices are
visible while their processes start.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

from tt_scale.config import Config
from tt_scale.errors import ConfigError

__all__ = ["CONTEXT_GIB", "device_args", "first_gpu", "prm_gpus", "visible"]

CONTEXT_GIB = 0.6
"""Approximate memory of a process's CUDA context, which an engine does not count."""


def first_gpu(device: str) -> int | None:
    """Index of a CUDA device ("cuda" is the first); None for the CPU."""
    return None if device == "cpu" else int(device.partition(":")[2] or 0)


def prm_gpus(config: Config) -> tuple[int, ...]:
    """Indices of the GPUs of the PRM's vLLM engine, as this process sees them; empty for vLLM's default.

    Raises:
        ConfigError: the installed vLLM does not run on that device, or there are fewer GPUs.
    """
    device = config.prm_device
    if device is None:
        return ()
    from vllm.platforms import current_platform

    first = first_gpu(device)
    if current_platform.is_cpu():
        if first is None:
            return ()
        raise ConfigError(
            f"prm_device is {device!r}, but the installed vLLM runs on the CPU.",
            "Omit --prm-device, or type: --prm huggingface",
        )
    if first is None or not current_platform.is_cuda_alike():
        raise ConfigError(
            f"prm_device is {device!r}, but the installed vLLM runs on {current_platform.device_name}.",
            "Omit --prm-device, or type: --prm huggingface",
        )
    gpus, count = range(first, first + config.tensor_parallel_size), current_platform.device_count()
    if gpus[-1] >= count:
        raise ConfigError(
            f"prm_device is {device!r} and tensor_parallel_size is {config.tensor_parallel_size}, which needs GPUs up "
            f"to number {gpus[-1]}; the last one here is number {count - 1}."
        )
    return tuple(gpus)


def device_args(gpus: Sequence[int]) -> dict[str, Any]:
    """Fields of `AsyncEngineArgs` that select GPUs; empty if this vLLM has no such field, or no GPU is selected."""
    return {"device_ids": list(gpus)} if gpus and _accepts_device_ids() else {}


@contextmanager
def visible(gpus: Sequence[int]) -> Iterator[None]:
    """Restrict the GPUs visible to processes that start within, if this vLLM accepts no device ids; none means all."""
    if not gpus or _accepts_device_ids():
        yield
        return
    from vllm.platforms import current_platform

    name = current_platform.device_control_env_var
    before = os.environ.get(name)
    known = before.split(",") if before else None
    os.environ[name] = ",".join([known[gpu] if known else str(gpu) for gpu in gpus])
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _accepts_device_ids() -> bool:
    from vllm import AsyncEngineArgs

    return "device_ids" in {field.name for field in fields(AsyncEngineArgs)}
