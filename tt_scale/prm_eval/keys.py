"""Configuration keys that an evaluation reads, and those on which its scores depend."""

from __future__ import annotations

from typing import Any

from tt_scale.backends import PRM_KEYS, ResolvedModels
from tt_scale.base_classes import PRM
from tt_scale.bench.run.manifest import search_rules
from tt_scale.config import DISTRIBUTED_KEYS, Config
from tt_scale.config.listing import ConfigKey, config_keys
from tt_scale.engines.model_dtypes import generator_dtype, prm_dtypes
from tt_scale.prm_eval.sets import RECORDED

__all__ = ["evaluation_keys", "idle_keys", "reads_generator", "sampling_keys", "scoring_keys"]

_SEARCHING = frozenset(
    ("method", "method_args", "temp_origin", "temp_step", "k_tokens", "warmup", "repeats", "summary_csv")
) | {"detail_log", "verbose", "distribute", *DISTRIBUTED_KEYS}
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
"""Keys of sampled solutions; a PRM that uses the generator also depends on the generator's keys."""


def evaluation_keys() -> list[ConfigKey]:
    """Keys that are flags of `prm-eval` and `calibrate`: all except keys of searches and `prm_name`."""
    return [
        key
        for key in config_keys()
        if key.name in ("N", "agg")
        or (key.group not in ("Search", "Budget") and key.name not in _SEARCHING | {"prm_name"})
    ]


def reads_generator(models: ResolvedModels | None) -> bool:
    """Whether scoring needs the run's generator to be started.

    Args:
        models: models of the run; None for recorded scores, whose keys also name a generator.
    """
    return models is None or any(prm.uses_generator for prm in models.prms)


def sampling_keys(models: ResolvedModels) -> dict[str, Any]:
    """Keys and values on which sampled solutions depend, beside the problems."""
    kept = {key.name for key in evaluation_keys() if not key.name.startswith("prm")} - {"agg", "datasets"}
    own = {
        "dtype": generator_dtype(models),
        "generator": models.generator.backend,
        "search_rules": search_rules(limited=False),
    }
    return {**_values(models.config, kept), **own}


def scoring_keys(config: Config, models: ResolvedModels | None) -> dict[str, Any]:
    """Keys and values on which the scores of given solutions depend.

    Args:
        config: configuration of the run.
        models: models of the run; None for recorded scores.
    """
    left_out = {key.name for key in evaluation_keys() if key.group == "Sampling"} | _DRAWING | {"agg", "datasets"}
    if reads_generator(models):
        left_out -= _GENERATOR
    left_out |= (models.unread_keys if models else PRM_KEYS) - PRM.config_keys
    if len(config.prm_names) == 1:
        left_out.add("prm_combine")
    kept = {key.name for key in evaluation_keys()} - left_out - {"num_samples"}
    backends = models.prm_backends if models else RECORDED
    return {**_values(config, kept), **_dtype(models), "prm_name": config.prm_name, "prm": backends}


def _dtype(models: ResolvedModels | None) -> dict[str, str]:
    if models is None:
        return {}
    written = [generator_dtype(models)] if reads_generator(models) else []
    types = dict.fromkeys([*written, *prm_dtypes(models)])
    return {"dtype": ", ".join(types)} if types else {}


def idle_keys(config: Config, models: ResolvedModels | None, *, samples: bool) -> list[str]:
    """Keys with a non-default value that have no effect here, sorted."""
    if samples:
        return []
    idle = {key.name for key in evaluation_keys() if key.group == "Sampling"} | _DRAWING | {"gpu_mem_util"}
    if reads_generator(models):
        idle -= _GENERATOR | {"gpu_mem_util"}
    return sorted(config.non_defaults & idle)


def _values(config: Config, names: set[str]) -> dict[str, Any]:
    return {key: value for key, value in config.experiment().items() if key in names}
