"""How a run is carried out, and what it leaves behind."""

from __future__ import annotations

from typing import Literal

from tt_scale.config.declare import RUNTIME, Keys, key

__all__ = ["UNSET_DTYPE", "RuntimeKeys"]

UNSET_DTYPE = "float16"
"""The type in which models compute on CUDA where `dtype` is unset."""


class RuntimeKeys(Keys):
    """How it runs, and what it leaves behind."""

    prm_quality: float = key(RUNTIME, "Simulated PRM: 0 is noise, 1 is truth.", 0.6, ge=0, le=1)
    prm_confidence: Literal["min", "mean", "certainty"] = key(
        RUNTIME,
        "PRM `confidence`: probability of the least likely token so far, mean of all, or certainty at them.",
        "min",
    )
    gpu_mem_util: float = key(RUNTIME, "Share of GPU memory for the generator.", 0.5, experiment=False, gt=0, le=1)
    prm_gpu_mem_util: float = key(
        RUNTIME, "Share of GPU memory for the PRM; for each where there are several.", 0.4, experiment=False, gt=0, le=1
    )
    prm_device: str | None = key(
        RUNTIME, "Where the PRM runs (cpu, cuda:1); unset means where the generator runs.", None, experiment=False
    )
    prm_url: str | None = key(
        RUNTIME, "Address of a vLLM server that scores; its key goes into TT_SCALE_PRM_API_KEY.", None, experiment=False
    )
    tensor_parallel_size: int = key(RUNTIME, "GPUs that one model is split over.", 1, experiment=False, ge=1)
    dtype: Literal["auto", "float16", "bfloat16", "float32"] | None = key(
        RUNTIME,
        "Number type of the models; auto is the checkpoint's on CUDA, the fastest of the processor on a CPU; unset is "
        "float16 on CUDA, auto on a CPU.",
        None,
    )
    kv_cache_gib: float = key(
        RUNTIME, "KV cache of each engine on a CPU, in GiB; GPUs go by `gpu_mem_util`.", 1.0, experiment=False, gt=0
    )
    trust_remote_code: bool = key(RUNTIME, "Run code that comes with a model.", False)
    concurrency: int = key(RUNTIME, "Problems in flight.", 64, experiment=False, ge=1, le=65536)
    output_dir: str = key(RUNTIME, "Where run folders are made.", "logs", experiment=False)
    run_tag: str = key(RUNTIME, "Name of the run; a run is continued by giving its tag again.", "", experiment=False)
    retry_failed: bool = key(RUNTIME, "Run problems that failed in an earlier leg again.", False, experiment=False)
    summary_csv: str | None = key(
        RUNTIME,
        "CSV to which each run appends a row; unset means `summary.csv` in `output_dir`.",
        None,
        experiment=False,
    )
    detail_log: bool = key(RUNTIME, "Write a CSV with a row for each problem.", True, experiment=False)
    verbose: bool = key(RUNTIME, "Print a line for each problem.", False, experiment=False)
