"""One flat, validated schema: YAML, command line and Python name the same keys.

Precedence: command line, then YAML, then the defaults here. An unknown key or a value out of range is an error
that says what is allowed; an option that the chosen method would ignore is a warning.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from tt_scale.aggregate import AGGREGATES
from tt_scale.base_classes import Sampling
from tt_scale.budget import Budget
from tt_scale.errors import ConfigError, nearest
from tt_scale.selection import SELECTORS
from tt_scale.yaml_file import read_yaml

__all__ = ["GROUPS", "MATH_ARENA", "Config", "digest"]

MATH_ARENA = ["hmmt_nov_2025", "aime_2025", "cmimc_2025", "brumo_2025", "apex_2025", "hmmt_feb_2025"]
"""The competition sets of matharena.ai that are the default of `datasets`."""

GROUPS = ("Model and method", "Sampling", "Search", "Budget", "Data and grading", "Runtime")
"""The headings under which the keys stand in `config/example.yaml` and in `--help`."""


def _key(group: int, description: str, default: Any, *, experiment: bool = True, **limits: Any) -> Any:
    """Declare one key; `experiment` says whether it can change a number in the table."""
    extra: dict[str, Any] = {"group": GROUPS[group], "experiment": experiment}
    return Field(default, description=description, json_schema_extra=extra, **limits)


class Config(BaseModel):
    """Everything that decides what a run does.

    Raises:
        ConfigError: a key that does not exist, a value out of range, or a combination that cannot run.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False)

    # Model and method
    model_name: str = _key(
        0, "Generator: hub name, local folder, `pocket-gen`, `smollm2`, or `simulated`.", "Qwen/Qwen2.5-3B-Instruct-AWQ"
    )
    prm_name: str = _key(
        0,
        "PRM: hub name, local folder, `pocket-prm`, `judge` (the generator judges its own steps), `simulated`, `none`.",
        "Qwen/Qwen2.5-Math-PRM-7B",
    )
    method: str = _key(0, "Search method; `tt-scale list` shows all.", "collective")
    method_args: dict[str, Any] = _key(0, "Knobs of the method that are no keys here; `tt-scale list` shows them.", {})
    generator: str = _key(0, "Generator backend: auto, vllm, huggingface, simulated, or an entry point.", "auto")
    prm: str = _key(
        0,
        "PRM backend: auto, vllm, huggingface, generator (where it is the PRM too, in its engine), http (a vLLM "
        "server at `prm_url`), judge, simulated, or an entry point.",
        "auto",
    )
    prm_adapter: str = _key(
        0, "How the PRM is asked: auto, a name that `tt-scale list` shows, or module:class of your own.", "auto"
    )
    prm_args: dict[str, Any] = _key(0, "Knobs of the PRM's adapter, such as its tag.", {})
    prm_quantization: str | None = _key(0, "Weight quantization of the PRM; unset loads it as it is.", None)
    prm_max_model_len: int | None = _key(
        0,
        "Most tokens that the PRM reads; unset means its own context, at most twice `max_model_len` or 4096.",
        None,
        ge=16,
    )
    quantization: str | None = _key(
        0, "Weight quantization, as the engine names it (awq, gptq, fp8, bitsandbytes).", None
    )
    max_model_len: int = _key(0, "Most tokens of prompt and solution together.", 3072, ge=16)
    system_prompt: str = _key(
        0, "System message; empty for none.", r"Please reason step by step, and put your final answer within \boxed{}."
    )
    stop_tokens: tuple[str, ...] = _key(
        0, "Delimiters that end a step; none makes a whole solution one step.", ("\n\n",)
    )
    step_tokens: int | None = _key(0, "Tokens of a step; unset means that delimiters end it.", None, ge=1)
    final_answer_prefix: str = _key(0, "Text before the final answer, beside `\\boxed{}`; empty for none.", "")
    seed: int = _key(0, "Of the run; every sample's seed is derived from it.", 79, ge=0)

    # Sampling
    temperature: float = _key(1, "Of methods that sample at one temperature.", 0.8, ge=0, le=2)
    temp_origin: float = _key(1, "First temperature of backtracking methods.", 0.7, ge=0, le=2)
    temp_step: float = _key(1, "Added to it on each retry.", 0.1, ge=0, le=1)
    top_p: float = _key(1, "Nucleus mass; 1 is off.", 1.0, gt=0, le=1)
    top_k: int = _key(1, "Tokens considered; 0 is off.", 0, ge=0)
    min_p: float = _key(1, "Least probability relative to the likeliest token; 0 is off.", 0.0, ge=0, le=1)
    repetition_penalty: float = _key(1, "1 is off.", 1.0, gt=0, le=2)
    max_tokens: int = _key(1, "Most tokens of one solution, for every method alike.", 2048, ge=1)
    k_tokens: int = _key(1, "Most tokens of one step.", 256, ge=1)
    warmup: bool = _key(1, "Give the first step twice `k_tokens`.", False)

    # Search
    tau: float = _key(2, "Score that a step must reach to pass.", 0.6, ge=0, le=1)
    tau_relax: float = _key(2, "independent: taken off `tau` on each retry.", 0.05, ge=0, le=1)
    max_total_branches: int = _key(2, "Children proposed per expansion, over all paths.", 9, ge=1)
    keeping_branches: int = _key(2, "Paths kept after an expansion.", 3, ge=1)
    passing_minimum: int = _key(2, "collective: passing steps needed to go on; also the number of roots.", 3, ge=1)
    max_backtracks: int = _key(2, "Retries before a failing step is accepted after all.", 3, ge=0)
    max_steps: int = _key(2, "Most expansions.", 30, ge=1)
    backtrack: bool = _key(2, "collective: false keeps what passes and never retries.", True)
    backtrack_depth: int = _key(
        2, "collective: levels to step back before a jump; 1 retries from the parents only.", 1, ge=1
    )
    always_expand: bool = _key(2, "collective: propose `max_total_branches` children on first attempts too.", False)
    expansion_factor: int = _key(2, "independent: copies of a path that is retried.", 2, ge=1)
    max_branches: int = _key(2, "independent: most paths in the frontier.", 6, ge=1)
    max_finished_branches: int = _key(2, "independent: finished paths to end at.", 2, ge=1)
    N: int = _key(
        2, "Whole solutions or particles that a method draws; finished paths at which the others end.", 4, ge=1
    )
    agg: str = _key(2, f"Step scores to path score: {', '.join(AGGREGATES)}.", "last")
    n_beams: int | None = _key(2, "beam_search, dvts: paths kept; unset means `keeping_branches`.", None, ge=1)
    beam_width: int | None = _key(
        2,
        "Children per path of beam_search, dvts and tree searches; unset is worked out from the branches.",
        None,
        ge=1,
    )
    num_iterations: int | None = _key(2, "beam_search, dvts: most expansions; unset means `max_steps`.", None, ge=1)
    lookahead: int = _key(2, "beam_search: greedy steps beyond a candidate that its score looks at.", 0, ge=0)
    selector: str | None = _key(
        2, "Pool to answer: best, majority, weighted, first; unset means the method's own.", None
    )

    # Budget
    max_generated_tokens: int | None = _key(3, "Most generated tokens per problem; unset is without limit.", None, ge=1)
    max_prm_tokens: int | None = _key(
        3, "Most tokens that the PRM reads per problem, checked before each expansion.", None, ge=1
    )
    max_seconds: float | None = _key(3, "Most seconds per problem, checked before each expansion.", None, gt=0)

    # Data and grading
    datasets: tuple[str, ...] = _key(4, "Problem sets: bundled names, local files, hub names.", tuple(MATH_ARENA))
    split: str = _key(4, "Split of hub sets.", "train")
    num_samples: int | None = _key(4, "A seeded sample of so many problems per set; unset means all.", None, ge=1)
    question_field: str | None = _key(4, "Field of the question, where it is not recognised.", None)
    answer_field: str | None = _key(4, "Field of the gold answer, where it is not recognised.", None)
    repeats: int = _key(4, "Times that each problem is searched, with other seeds.", 1, ge=1)
    grade_timeout: float = _key(4, "Seconds after which one comparison is killed and counted as ungraded.", 5.0, gt=0)

    # Runtime
    prm_quality: float = _key(5, "Simulated PRM: 0 is noise, 1 is truth.", 0.6, ge=0, le=1)
    gpu_mem_util: float = _key(5, "Share of GPU memory for the generator.", 0.5, experiment=False, gt=0, le=1)
    prm_gpu_mem_util: float = _key(5, "Share of GPU memory for the PRM.", 0.4, experiment=False, gt=0, le=1)
    prm_device: str | None = _key(
        5, "Where the PRM runs (cpu, cuda:1); unset means where the generator runs.", None, experiment=False
    )
    prm_url: str | None = _key(
        5, "Address of a vLLM server that scores; its key goes into TT_SCALE_PRM_API_KEY.", None, experiment=False
    )
    tensor_parallel_size: int = _key(5, "GPUs that one model is split over.", 1, experiment=False, ge=1)
    dtype: Literal["auto", "float16", "bfloat16", "float32"] = _key(5, "Of the weights.", "float16")
    kv_cache_gib: float = _key(
        5, "KV cache of each engine on a CPU, in GiB; GPUs go by `gpu_mem_util`.", 1.0, experiment=False, gt=0
    )
    trust_remote_code: bool = _key(5, "Run code that comes with a model.", False)
    concurrency: int = _key(5, "Problems in flight.", 64, experiment=False, ge=1)
    output_dir: str = _key(5, "Where run folders are made.", "logs", experiment=False)
    run_tag: str = _key(5, "Name of the run; a run is continued by giving its tag again.", "", experiment=False)
    retry_failed: bool = _key(5, "Run problems that failed in an earlier leg again.", False, experiment=False)
    summary_csv: str | None = _key(
        5, "CSV to which each run appends a row; unset means `summary.csv` in `output_dir`.", None, experiment=False
    )
    detail_log: bool = _key(5, "Write a CSV with a row for each problem.", True, experiment=False)
    verbose: bool = _key(5, "Print a line for each problem.", False, experiment=False)

    def __init__(self, **values: Any) -> None:
        unknown = [key for key in values if key not in type(self).model_fields]
        if unknown:
            raise ConfigError(f"Unknown key {unknown[0]!r}.", nearest(unknown[0], type(self).model_fields))
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ConfigError(_explain(error)) from None

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_value(cls, value: Any, info: ValidationInfo) -> Any:
        assert info.field_name is not None
        if isinstance(value, bool) and cls.model_fields[info.field_name].annotation is not bool:
            raise ValueError(f"is {value}, a truth value: quote it if it is meant as text")
        return value

    @field_validator("prm_name", mode="before")
    @classmethod
    def _null_is_none(cls, value: Any) -> Any:
        return "none" if value is None else value

    @field_validator("datasets", "stop_tokens", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("prm_device")
    @classmethod
    def _device(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"cpu|cuda(:\d+)?", value):
            raise ValueError(f"is {value!r}. Allowed: cpu, cuda, cuda:0, cuda:1, ...")
        return value

    @field_validator("prm_url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "http://server")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"is {value!r}; an address begins with http:// or https:// and names a server")
        if parts.username or parts.password:
            raise ValueError("holds a password, which would be written into the run folder: use TT_SCALE_PRM_API_KEY")
        return value

    @field_validator("agg")
    @classmethod
    def _known_aggregate(cls, value: str) -> str:
        if value not in AGGREGATES:
            raise ValueError(f"is {value!r}. {nearest(value, AGGREGATES)}")
        return value

    @field_validator("selector")
    @classmethod
    def _known_selector(cls, value: str | None) -> str | None:
        if value is not None and value not in SELECTORS:
            raise ValueError(f"is {value!r}. {nearest(value, SELECTORS)}")
        return value

    @field_validator("stop_tokens")
    @classmethod
    def _no_empty_delimiter(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(not delimiter for delimiter in value):
            raise ValueError("holds an empty delimiter; write [] for no delimiter at all")
        return value

    @model_validator(mode="before")
    @classmethod
    def _no_delimiters(cls, values: Any) -> Any:
        """Steps of a fixed length have no delimiters; a user who asks for both is told so below."""
        if isinstance(values, Mapping) and values.get("step_tokens") is not None:
            return {"stop_tokens": (), **values}
        return values

    @model_validator(mode="after")
    def _one_step_unit(self) -> Config:
        told = f"step_tokens is {self.step_tokens}"
        if self.step_tokens is None:
            return self
        if self.stop_tokens:
            raise ValueError(
                f"{told} and stop_tokens is {list(self.stop_tokens)}: one of them ends a step. "
                "Type: --stop-tokens none (in YAML, stop_tokens: [])"
            )
        if self.k_tokens < self.step_tokens:
            raise ValueError(
                f"{told}, more than k_tokens, which is {self.k_tokens}: no step could be whole. "
                f"Type: --k-tokens {self.step_tokens}"
            )
        if self.warmup:
            raise ValueError(f"{told}, the first step's too, but warmup is true. Type: --no-warmup")
        return self

    @model_validator(mode="after")
    def _possible(self) -> Config:
        if self.keeping_branches > self.max_total_branches:
            raise ValueError(
                f"keeping_branches is {self.keeping_branches}, more than max_total_branches, which is "
                f"{self.max_total_branches}: no more paths can be kept than are proposed"
            )
        if not self.datasets:
            raise ValueError("datasets is empty: name at least one problem set")
        return self

    @classmethod
    def from_yaml(cls, path: str | FilePath, **overrides: Any) -> Config:
        """Read a YAML file; `overrides` win over it.

        Raises:
            ConfigError: the file cannot be read, is no mapping, or holds a bad key or value.
        """
        return cls(**{**read_yaml(path), **overrides})

    def sampling(self, temperature: float) -> Sampling:
        """All sampling settings at one temperature."""
        return Sampling(temperature, self.top_p, self.top_k, self.min_p, self.repetition_penalty)

    @property
    def budget(self) -> Budget:
        """What one problem may spend."""
        return Budget(self.max_generated_tokens, self.max_prm_tokens, self.max_seconds)

    @property
    def changed(self) -> frozenset[str]:
        """The keys that were given another value than the default."""
        fields = type(self).model_fields
        return frozenset([key for key in self.model_fields_set if getattr(self, key) != fields[key].default])

    def experiment(self, ignore: frozenset[str] = frozenset()) -> dict[str, Any]:
        """The keys that can change a number, without those in `ignore`; two runs may be one only if these agree."""
        fields = type(self).model_fields
        return {
            key: value
            for key, value in self.model_dump(mode="json").items()
            if key not in ignore and _extra(fields[key].json_schema_extra)["experiment"]
        }


def _extra(extra: Any) -> Mapping[str, Any]:
    assert isinstance(extra, dict)
    return extra


def digest(experiment: Mapping[str, Any]) -> str:
    """Twelve hex digits that name an experiment."""
    text = json.dumps(experiment, sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def _explain(error: ValidationError) -> str:
    """Say each fault, and in which key, as a person would."""
    parts = []
    for fault in error.errors():
        message = fault["msg"].removeprefix("Value error, ")
        if not fault["loc"]:
            parts.append(message)
            continue
        key = str(fault["loc"][0])
        if fault["type"] == "value_error":
            parts.append(f"{key} {message}")
        else:
            message = message.removeprefix("Input ").partition(", unable to parse")[0]
            parts.append(f"{key} is {fault['input']!r}, but {message}")
    return " ".join(f"{part.rstrip('.?')}{'?' if part.endswith('?') else '.'}" for part in parts)
