"""Where the PRM's engine runs: `prm_device`, honoured by vLLM or refused.

vLLM fills devices from the first on. Newer versions are told which; older ones see only the wanted ones while their
processes start.
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
"""What CUDA takes for a process before anything is there, by the order of it; an engine does not count it."""


def first_gpu(device: str) -> int | None:
    """The number of a CUDA device ("cuda" is the first); None for the CPU."""
    return None if device == "cpu" else int(device.partition(":")[2] or 0)


def prm_gpus(config: Config) -> tuple[int, ...]:
    """The GPUs of the PRM's vLLM engine, numbered as this process sees them; none where it goes where vLLM puts it.

    Raises:
        ConfigError: the installed vLLM cannot run there, or there are fewer GPUs.
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
            "Leave out --prm-device, or type: --prm huggingface",
        )
    if first is None or not current_platform.is_cuda_alike():
        raise ConfigError(
            f"prm_device is {device!r}, but the installed vLLM runs on {current_platform.device_name}.",
            "Leave out --prm-device, or type: --prm huggingface",
        )
    wanted, there = range(first, first + config.tensor_parallel_size), current_platform.device_count()
    if wanted[-1] >= there:
        raise ConfigError(
            f"prm_device is {device!r} and tensor_parallel_size {config.tensor_parallel_size}, which takes GPUs up to "
            f"number {wanted[-1]}; the last one here is number {there - 1}."
        )
    return tuple(wanted)


def device_args(gpus: Sequence[int]) -> dict[str, Any]:
    """The fields of `AsyncEngineArgs` that choose GPUs; none where vLLM has none for it, or none is chosen."""
    return {"device_ids": list(gpus)} if gpus and _can_be_told() else {}


@contextmanager
def visible(gpus: Sequence[int]) -> Iterator[None]:
    """Let processes that start within see only these GPUs, where vLLM cannot be told of them; all, for none."""
    if not gpus or _can_be_told():
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


def _can_be_told() -> bool:
    from vllm import AsyncEngineArgs

    return "device_ids" in {field.name for field in fields(AsyncEngineArgs)}
