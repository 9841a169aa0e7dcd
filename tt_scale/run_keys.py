"""The keys beside those of the search: models, sampling, limits, data, runtime."""

from __future__ import annotations

from typing import Any, Literal

from tt_scale.schema import BUDGET, DATA, MODEL, RUNTIME, SAMPLING, Keys, key

__all__ = ["MATH_ARENA", "UNSET_DTYPE", "BudgetKeys", "DataKeys", "ModelKeys", "RuntimeKeys", "SamplingKeys"]

MATH_ARENA = ["hmmt_nov_2025", "aime_2025", "cmimc_2025", "brumo_2025", "apex_2025", "hmmt_feb_2025"]
"""The competition sets of matharena.ai that are the default of `datasets`."""

UNSET_DTYPE = "float16"
"""The type in which models compute on CUDA where `dtype` is unset."""


class ModelKeys(Keys):
    """What is run."""

    model_name: str = key(
        MODEL,
        "Generator: hub name, local folder, `pocket-gen`, `smollm2`, or `simulated`.",
        "Qwen/Qwen2.5-3B-Instruct-AWQ",
    )
    prm_name: str = key(
        MODEL,
        "PRM: hub name, local folder, `pocket-prm`, `judge` (the generator judges its own steps), `confidence` (how "
        "sure it was of its own tokens), `simulated`, `none`; several, with commas between them, score together.",
        "Qwen/Qwen2.5-Math-PRM-7B",
    )
    model_revision: str | None = key(
        MODEL, "Branch, tag or commit of the generator on the hub; unset is the newest of its main branch.", None
    )
    prm_revision: str | None = key(
        MODEL,
        "The same for the PRM; for several PRMs one for all, or one each with commas between them. Unset is "
        "`model_revision` where both are the same model.",
        None,
    )
    prm_combine: Literal["mean", "min", "product", "rank-mean"] = key(
        MODEL, "How the scores of several PRMs become one; rank-mean ranks steps that are scored together.", "mean"
    )
    method: str = key(MODEL, "Search method; `tt-scale list` shows all.", "collective")
    method_args: dict[str, Any] = key(MODEL, "Knobs of a method of another package; `tt-scale list` shows them.", {})
    generator: str = key(
        MODEL, "Generator backend: auto, vllm, huggingface, trie, simulated, or an entry point.", "auto"
    )
    prm: str = key(MODEL, "PRM backend: auto, or a name that `tt-scale list` shows.", "auto")
    prm_adapter: str = key(
        MODEL,
        "How the PRM is asked: auto, a name that `tt-scale list` shows, or module:class of your own; for several PRMs "
        "one for all, or one each with commas between them.",
        "auto",
    )
    prm_args: dict[str, Any] = key(
        MODEL, "Knobs of the PRM, such as its tag; for several PRMs by name, {PRM: knobs}.", {}
    )
    prm_quantization: str | None = key(MODEL, "Weight quantization of the PRM; unset loads it as it is.", None)
    prm_max_model_len: int | None = key(
        MODEL,
        "Most tokens that the PRM reads; unset means its own context, at most twice `max_model_len` or 4096.",
        None,
        ge=16,
    )
    quantization: str | None = key(
        MODEL, "Weight quantization, as the engine names it (vLLM: awq, gptq, fp8; huggingface: bitsandbytes).", None
    )
    max_model_len: int | None = key(
        MODEL,
        "Most tokens of prompt and solution together; the default is lowered for a model that reads less, none takes "
        "the model's own.",
        3072,
        ge=16,
    )
    system_prompt: str = key(
        MODEL,
        "System message; empty for none.",
        r"Please reason step by step, and put your final answer within \boxed{}.",
    )
    stop_tokens: tuple[str, ...] = key(
        MODEL,
        "Delimiters that end a step; none makes a whole solution one step. A line break is \\n: in YAML in double "
        "quotes.",
        ("\n\n",),
    )
    step_tokens: int | None = key(MODEL, "Tokens of a step; unset means that delimiters end it.", None, ge=1)
    final_answer_prefix: str = key(MODEL, "Text before the final answer, beside `\\boxed{}`; empty for none.", "")
    path_end: Literal["eos", "answer"] = key(
        MODEL,
        "What finishes a path: the model's end of sequence, or also the end of a step once a final answer is complete.",
        "eos",
    )
    reasoning_tags: tuple[str, ...] = key(
        MODEL,
        "Opening and closing tags of reasoning blocks, beside <think> and those that the chat template names.",
        (),
    )
    seed: int = key(MODEL, "Of the run; every sample's seed is derived from it.", 79, ge=0)


class SamplingKeys(Keys):
    """How tokens are drawn."""

    temperature: float = key(SAMPLING, "Of methods that sample at one temperature.", 0.8, ge=0, le=2)
    temp_origin: float = key(SAMPLING, "First temperature of backtracking methods.", 0.7, ge=0, le=2)
    temp_step: float = key(SAMPLING, "Added to it on each retry.", 0.1, ge=0, le=1)
    top_p: float = key(SAMPLING, "Nucleus mass; 1 is off.", 1.0, gt=0, le=1)
    top_k: int = key(SAMPLING, "Tokens considered; 0 is off.", 0, ge=0)
    min_p: float = key(SAMPLING, "Least probability relative to the likeliest token; 0 is off.", 0.0, ge=0, le=1)
    repetition_penalty: float = key(SAMPLING, "1 is off.", 1.0, gt=0, le=2)
    max_tokens: int = key(SAMPLING, "Most tokens of one solution, for every method alike.", 2048, ge=1)
    k_tokens: int = key(SAMPLING, "Most tokens of one step.", 256, ge=1)
    warmup: bool = key(SAMPLING, "Give the first step twice `k_tokens`.", False)


class BudgetKeys(Keys):
    """What one problem may spend."""

    budget: int | None = key(
        BUDGET, "Compute in units of one sampled solution; a method derives its widths from it.", None, ge=1
    )
    max_generated_tokens: int | None = key(
        BUDGET,
        "Most generated tokens per problem; unset is `budget` x `max_tokens`, or no limit without a budget.",
        None,
        ge=1,
    )
    max_prm_tokens: int | None = key(
        BUDGET, "Most tokens that the PRM reads per problem, checked before each expansion.", None, ge=1
    )
    max_seconds: float | None = key(BUDGET, "Most seconds per problem, checked before each expansion.", None, gt=0)

    last_resort: Literal["force", "none"] = key(
        BUDGET,
        "Where no path has an answer and tokens are left: force asks the best open path for one, at most 32 tokens.",
        "none",
    )


class DataKeys(Keys):
    """What is asked, and how answers are judged."""

    datasets: tuple[str, ...] = key(
        DATA,
        "Problem sets: bundled names, local files, hub names (name@revision for a state of the set).",
        tuple(MATH_ARENA),
    )
    split: str = key(DATA, "Split of hub sets.", "train")
    num_samples: int | None = key(DATA, "A seeded sample of so many problems per set; unset means all.", None, ge=1)
    question_field: str | None = key(DATA, "Field of the question, where it is not recognised.", None)
    answer_field: str | None = key(DATA, "Field of the gold answer, where it is not recognised.", None)
    repeats: int = key(DATA, "Times that each problem is searched, with other seeds.", 1, ge=1)
    grade_timeout: float = key(DATA, "Seconds after which one comparison is killed and counted as ungraded.", 5.0, gt=0)


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
