"""Small engines, and the processes that they are made of."""

from __future__ import annotations

from typing import Any

from tt_scale.config import Config

CONTEXT = 512


def small(**changes: Any) -> Config:
    """The shipped generator in an engine that starts fast; in float32, since in 16 bits two tokens often tie."""
    keys = {"model_name": "pocket-gen", "dtype": "float32", "max_model_len": CONTEXT, "kv_cache_gib": 0.25}
    return Config(**{**keys, "gpu_mem_util": 0.1, **changes})


def descendants(parent: int) -> list[Any]:
    """The engine processes below one, workers included."""
    import psutil

    below = psutil.Process(parent).children(recursive=True)
    return [process for process in below if "VLLM::" in process.name() or "multiprocessing.spawn" in commands(process)]


def commands(process: Any) -> str:
    return " ".join(process.cmdline())


def alive(processes: list[Any], patience: float = 0.0) -> list[Any]:
    import psutil

    _, left = psutil.wait_procs(processes, timeout=patience)
    return [process for process in left if process.status() != psutil.STATUS_ZOMBIE]
