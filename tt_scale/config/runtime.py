"""Keys of devices, memory, concurrency and output."""

from __future__ import annotations

from typing import Literal

from tt_scale.config.declare import RUNTIME, Keys, key

__all__ = ["UNSET_DTYPE", "RuntimeKeys"]

UNSET_DTYPE = "float16"
"""The dtype of models on CUDA if `dtype` is unset."""


class RuntimeKeys(Keys):
    """Devices, memory, concurrency and output."""

    prm_quality: float = key(RUNTIME, "Quality of the simulated PRM: 0 is noise, 1 is the truth.", 0.6, ge=0, le=1)
    prm_confidence: Literal["min", "mean", "certainty"] = key(
        RUNTIME,
        "Measure of the PRM `confidence`: probability of the least likely token so far, geometric mean "
        "of all, or certainty.",
        "min",
    )
    gpu_mem_util: float = key(RUNTIME, "Share of GPU memory for the generator.", 0.5, experiment=False, gt=0, le=1)
    prm_gpu_mem_util: float = key(
        RUNTIME, "Share of GPU memory for the PRM; with several PRMs, for each.", 0.4, experiment=False, gt=0, le=1
    )
    prm_device: str | None = key(
        RUNTIME, "Device of the PRM (cpu, cuda:1); unset uses the device of the generator.", None, experiment=False
    )
    base_url: str | None = key(
        RUNTIME,
        "Addresses of OpenAI-compatible servers that run the generator, separated by commas; their API key is read "
        "from TT_SCALE_GENERATOR_API_KEY or OPENAI_API_KEY.",
        None,
        experiment=False,
    )
    prm_url: str | None = key(
        RUNTIME,
        "Addresses of vLLM servers that score steps, separated by commas; their API key is read from "
        "TT_SCALE_PRM_API_KEY.",
        None,
        experiment=False,
    )
    request_timeout: float = key(
        RUNTIME, "Timeout of a request to a server, in seconds.", 600.0, experiment=False, gt=0
    )
    max_retries: int = key(
        RUNTIME,
        "Retries of a request that failed, was dropped or timed out; four times as many while a server is overloaded.",
        5,
        experiment=False,
        ge=0,
    )
    tensor_parallel_size: int = key(RUNTIME, "Number of GPUs over which one model is split.", 1, experiment=False, ge=1)
    dtype: Literal["auto", "float16", "bfloat16", "float32"] | None = key(
        RUNTIME,
        "Dtype of the models; auto is that of the checkpoint on CUDA and the fastest of the processor on "
        "a CPU; unset is float16 on CUDA and auto on a CPU.",
        None,
    )
    kv_cache_gib: float = key(
        RUNTIME,
        "KV cache of each engine on a CPU, in GiB; on a GPU, `gpu_mem_util` decides.",
        1.0,
        experiment=False,
        gt=0,
    )
    trust_remote_code: bool = key(RUNTIME, "Run code that comes with a model.", False)
    concurrency: int = key(
        RUNTIME,
        "Number of problems searched concurrently; with `distribute`, by each replica.",
        64,
        experiment=False,
        ge=1,
        le=65536,
    )
    distribute: Literal["none", "ray"] = key(
        RUNTIME,
        "Where searches take place: in this process, or on replicas of the models on a Ray cluster.",
        "none",
        experiment=False,
    )
    replicas: int = key(RUNTIME, "Number of replicas, each a generator and a PRM.", 1, experiment=False, ge=1, le=65536)
    ray_address: str | None = key(
        RUNTIME,
        "Address of a running Ray cluster, HOST:PORT, or auto for the one on this machine; unset is RAY_ADDRESS, else "
        "a cluster that is started on this machine and ends with the run.",
        None,
        experiment=False,
    )
    generator_gpus: float | None = key(
        RUNTIME,
        "GPUs of each replica for the generator, or a fraction of one; unset is `tensor_parallel_size` where the "
        "cluster has GPUs and the generator loads weights, else 0.",
        None,
        experiment=False,
        ge=0,
    )
    prm_gpus: float | None = key(
        RUNTIME,
        "GPUs of each replica for the PRM, or a fraction of the generator's; unset or 0 shares those of the generator.",
        None,
        experiment=False,
        ge=0,
    )
    replica_cpus: float | None = key(
        RUNTIME,
        "Cores of each replica; unset is 1 where it has a GPU, else an equal share of the cluster's.",
        None,
        experiment=False,
        gt=0,
    )
    stall_timeout: float | None = key(
        RUNTIME,
        "Seconds without progress of the models after which they are restarted, once; none disables this.",
        600.0,
        experiment=False,
        gt=0,
    )
    output_dir: str = key(RUNTIME, "Folder in which run folders are created.", "logs", experiment=False)
    run_tag: str = key(RUNTIME, "Name of the run; the same tag continues it.", "", experiment=False)
    retry_failed: bool = key(
        RUNTIME, "Search problems again that failed in a previous run segment.", False, experiment=False
    )
    summary_csv: str | None = key(
        RUNTIME,
        "CSV file to which each run appends a row; unset is `summary.csv` in `output_dir`.",
        None,
        experiment=False,
    )
    detail_log: bool = key(RUNTIME, "Write a CSV with a row for each problem.", True, experiment=False)
    verbose: bool = key(RUNTIME, "Print a line for each problem.", False, experiment=False)
