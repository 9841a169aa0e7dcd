"""Which keys of the configuration an evaluation looks at, and which of them its scores depend on."""

from __future__ import annotations

from typing import Any

from tt_scale.backends import ENSEMBLE, SHARED_PRMS, WRITING, prm_configs
from tt_scale.bench.run.manifest import OF_ONE_PRM, SEARCH_RULES
from tt_scale.config import Config
from tt_scale.config.listing import ConfigKey, config_keys
from tt_scale.engines.model_dtypes import generator_dtype, prm_dtypes
from tt_scale.prm_eval.sets import RECORDED
from tt_scale.registry import BUILT_IN

__all__ = ["evaluation_keys", "idle_keys", "reads_generator", "sampling_keys", "scoring_keys"]

_SEARCHING = frozenset(
    ("method", "method_args", "temp_origin", "temp_step", "k_tokens", "warmup", "repeats", "summary_csv")
) | {"detail_log", "verbose"}
_GENERATOR = frozenset(["model_name", "model_revision", "generator", "system_prompt", "quantization"])
_DRAWING = _GENERATOR | {
    "N",
    "final_answer_prefix",
    "path_end",
    "reasoning_tags",
    "split",
    "question_field",
    "answer_field",
    "grade_timeout",
}
"""Of solutions that are sampled; a PRM that reads the generator looks at those of the generator too."""


def evaluation_keys() -> list[ConfigKey]:
    """The keys that are flags of `prm-eval` and `calibrate`: all but those of searches, and the PRM itself."""
    return [
        key
        for key in config_keys()
        if key.name in ("N", "agg")
        or (key.group not in ("Search", "Budget") and key.name not in _SEARCHING | {"prm_name"})
    ]


def reads_generator(config: Config, backend: str) -> bool:
    """Whether a PRM needs the run's generator, started; a PRM of another package might.

    Args:
        config: of the run.
        backend: of the PRM.
    """
    if backend == ENSEMBLE:
        return any(reads_generator(each, each.prm) for each in prm_configs(config))
    if backend in ("judge", *WRITING):
        return config.prm_name == "judge" or config.one_model
    return backend in SHARED_PRMS or backend not in BUILT_IN["prms"]


def sampling_keys(config: Config, backend: str) -> dict[str, Any]:
    """What sampled solutions depend on, beside the problems.

    Args:
        config: of the run.
        backend: of the generator.
    """
    kept = {key.name for key in evaluation_keys() if not key.name.startswith("prm")} - {"agg", "datasets"}
    own = {"dtype": generator_dtype(config), "generator": backend, "search_rules": SEARCH_RULES}
    return {**_values(config, kept), **own}


def scoring_keys(config: Config, backend: str) -> dict[str, Any]:
    """What the scores of given solutions depend on.

    Args:
        config: of the run.
        backend: of the PRM.
    """
    left_out = {key.name for key in evaluation_keys() if key.group == "Sampling"} | _DRAWING | {"agg", "datasets"}
    if reads_generator(config, backend):
        left_out -= _GENERATOR
    used = [each.prm for each in prm_configs(config)] if backend == ENSEMBLE else [backend]
    left_out |= {key for prm, key in OF_ONE_PRM.items() if prm not in used}
    if backend != ENSEMBLE:
        left_out.add("prm_combine")
    kept = {key.name for key in evaluation_keys()} - left_out - {"num_samples"}
    dtypes = [] if backend not in (*BUILT_IN["prms"], ENSEMBLE) else prm_dtypes(config)
    if backend != RECORDED and reads_generator(config, backend):
        dtypes = list(dict.fromkeys([generator_dtype(config), *dtypes]))
    told = {"dtype": ", ".join(dtypes)} if dtypes else {}
    return {**_values(config, kept), **told, "prm_name": config.prm_name, "prm": ", ".join(used)}


def idle_keys(config: Config, *, samples: bool, backend: str) -> list[str]:
    """The keys that were given another value than the default and change nothing here, sorted."""
    if samples:
        return []
    idle = {key.name for key in evaluation_keys() if key.group == "Sampling"} | _DRAWING | {"gpu_mem_util"}
    if reads_generator(config, backend):
        idle -= _GENERATOR | {"gpu_mem_util"}
    return sorted(config.non_defaults & idle)


def _values(config: Config, names: set[str]) -> dict[str, Any]:
    return {key: value for key, value in config.experiment().items() if key in names}
