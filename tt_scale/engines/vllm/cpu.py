"""Settings of vLLM engines on a CPU: threads, executor, memory, and a faster start."""

from __future__ import annotations

import os
import shutil
from math import ceil
from pathlib import Path
from typing import Any

from tt_scale.backends import resolve
from tt_scale.config import Config
from tt_scale.engines.dtypes import engine_device
from tt_scale.engines.machine import available_cores
from tt_scale.errors import GeneratorError

__all__ = ["cpu_args", "engine_threads", "inspect_models_here", "require_shared_memory", "share_cores"]

THREADS = "OMP_NUM_THREADS"

SHARED_MEMORY = Path("/dev/shm")
QUEUE_CHUNKS = 10
CHUNK_MIB = 16
"""Size of vLLM's queue between an engine and its worker process: `QUEUE_CHUNKS` chunks of `CHUNK_MIB`, which
`VLLM_MQ_MAX_CHUNK_BYTES_MB` overrides."""


def cpu_args(config: Config) -> dict[str, Any]:
    """Fields of `AsyncEngineArgs` that differ on a CPU.

    A KV cache of fixed size, small blocks, no compilation, no chunked prefill: with it, seeded requests crash vLLM
    ("CPU Generator does not use offset").

    Raises:
        GeneratorError: a worker process is needed, and its queue does not fit into /dev/shm.
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
    """Run the model in the engine's own process if one process suffices and this vLLM supports it.

    By default vLLM starts a worker process, which imports everything again, and communicates with it through a queue in
    /dev/shm, polling at both ends. It replaces the name "uni" by "mp" on a CPU, because it binds OpenMP threads in the
    worker's environment; here `engine_threads` sets their number and they are not bound, so the class is passed.
    """
    executor = _single_process_executor() if config.tensor_parallel_size == 1 else None
    if executor is not None:
        return {"distributed_executor_backend": executor}
    require_shared_memory()
    return {}


def _single_process_executor() -> type | None:
    """VLLM's executor without a worker process; None if this version lacks it."""
    try:
        from vllm.v1.executor.uniproc_executor import UniProcExecutor
    except ImportError:
        return None
    return UniProcExecutor if isinstance(UniProcExecutor, type) else None


def require_shared_memory() -> None:
    """Check the free space of /dev/shm before an engine with a worker process is started.

    Raises:
        GeneratorError: it is too small; older versions of vLLM would die of a bus error.
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


def engine_threads(config: Config, cores: int | None = None) -> int:
    """Number of threads of each engine: an equal share of the cores, less one for this process.

    OpenMP threads wait for each other by spinning: with more threads than free cores an engine becomes very slow.

    Args:
        config: the run's configuration.
        cores: cores of this process, at least 1; None for all that are available.
    """
    others = sum([len(prm.weights) for prm in resolve(config).prms])
    return max(1, ((available_cores() if cores is None else cores) - 1) // (1 + others))


def share_cores(config: Config, cores: int) -> None:
    """Divide the cores of a replica between its engines, unless the user has set the number of threads.

    Ray gives each process as many threads as its replica has cores, and engines inherit that number: two of them then
    spin on twice as many threads as there are cores, and take four times as long.

    Args:
        config: the replica's configuration.
        cores: cores that Ray assigned to the replica, at least 1.
    """
    models = resolve(config)
    weights = [*models.generator.weights, *[each for prm in models.prms for each in prm.weights]]
    on_cpu = any(each.engine == "vllm" for each in weights) and engine_device("vllm").device == "cpu"
    if on_cpu and os.environ.get(THREADS) in (None, str(cores)):
        os.environ[THREADS] = str(engine_threads(config, cores))


def inspect_models_here() -> None:
    """Make vLLM inspect a model's class in this process.

    vLLM imports the class in a subprocess to keep CUDA uninitialised in this process. On a CPU that has no benefit,
    and importing vLLM again takes as long as starting an engine.
    """
    from vllm.model_executor.models import registry

    if hasattr(registry, "_run_in_subprocess"):
        registry._run_in_subprocess = lambda inspect: inspect()
