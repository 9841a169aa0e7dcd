"""Settings of vLLM engines on a CPU: threads, executor, memory, and a faster start."""

from __future__ import annotations

import os
import shutil
from math import ceil
from pathlib import Path
from typing import Any

from tt_scale.backends import resolve
from tt_scale.config import Config
from tt_scale.engines.machine import available_cores
from tt_scale.errors import GeneratorError

__all__ = ["cpu_args", "engine_threads", "inspect_models_here", "require_shared_memory"]

SHARED_MEMORY = Path("/dev/shm")
QUEUE_CHUNKS = 10
CHUNK_MIB = 16
"""vLLM's queue between an engine and its worker process: so many chunks of this size (`VLLM_MQ_MAX_CHUNK_BYTES_MB`)."""


def cpu_args(config: Config) -> dict[str, Any]:
    """Fields of `AsyncEngineArgs` that differ on a CPU.

    A fixed cache, small blocks, no compilation, and prompts that are read in one piece: vLLM ends with "CPU Generator
    does not use offset" when a seeded request's prompt is read in several pieces.

    Raises:
        GeneratorError: a worker process is needed, and /dev/shm has no room for its queue.
    """
    return {
        "kv_cache_memory_bytes": int(config.kv_cache_gib * 2**30),
        "block_size": 32,
        "enforce_eager": True,
        "enable_chunked_prefill": False,
        "max_num_batched_tokens": max(config.context, 4096),
        **_executor_args(config),
    }


def _executor_args(config: Config) -> dict[str, Any]:
    """Let the model run in the engine's own process where one process is enough and this vLLM can.

    vLLM would start a worker process for it, which imports everything once more, and talk to it through a queue in
    /dev/shm, polling at both ends. It turns the name "uni" back into "mp", since it binds OpenMP threads in its
    worker's environment; ours are counted by `engine_threads` and not bound.
    """
    executor = _single_process_executor() if config.tensor_parallel_size == 1 else None
    if executor is not None:
        return {"distributed_executor_backend": executor}
    require_shared_memory()
    return {}


def _single_process_executor() -> type | None:
    """VLLM's executor without a worker process; None where this version has none of that name."""
    try:
        from vllm.v1.executor.uniproc_executor import UniProcExecutor
    except ImportError:
        return None
    return UniProcExecutor if isinstance(UniProcExecutor, type) else None


def require_shared_memory() -> None:
    """Look for room in /dev/shm before an engine is started that needs a worker process.

    Raises:
        GeneratorError: there is too little; older versions of vLLM die of a bus error then.
    """
    if not SHARED_MEMORY.is_dir():
        return
    needed = QUEUE_CHUNKS * int(os.environ.get("VLLM_MQ_MAX_CHUNK_BYTES_MB") or CHUNK_MIB)
    free = shutil.disk_usage(SHARED_MEMORY).free // 2**20
    if free < needed:
        raise GeneratorError(
            f"vLLM's worker process needs {needed} MiB in {SHARED_MEMORY}; {free} MiB are free.",
            f"Start the container with --shm-size={ceil(needed / 256) * 512}m, or use Transformers. Type: --generator "
            "huggingface",
        )


def engine_threads(config: Config) -> int:
    """Give each engine its share of the cores, less one for this process.

    OpenMP threads wait for each other by spinning: with one more than there are free cores an engine crawls.
    """
    others = sum([len(prm.weights) for prm in resolve(config).prms])
    return max(1, (available_cores() - 1) // (1 + others))


def inspect_models_here() -> None:
    """Let vLLM look at a model's class in this process.

    To learn what a class supports, vLLM imports it in a process of its own, so that CUDA stays untouched in this one:
    on a CPU that protects from nothing, and importing all of vLLM takes as long as starting an engine.
    """
    from vllm.model_executor.models import registry

    if hasattr(registry, "_run_in_subprocess"):
        registry._run_in_subprocess = lambda look: look()
