"""Look up sets by name: labelled solutions, or problems whose solutions are sampled."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from tt_scale.backends import resolve
from tt_scale.config import Config
from tt_scale.errors import ConfigError, nearest
from tt_scale.pocket.problems import NAME as POCKET
from tt_scale.prm_eval.labelled import GivenSet
from tt_scale.prm_eval.processbench import PROCESSBENCH, processbench
from tt_scale.prm_eval.sampled import SampledSet, sampled_set
from tt_scale.prm_eval.solutions_file import read_solutions
from tt_scale.problems.identity import sample
from tt_scale.problems.local import name_of
from tt_scale.registry import is_own_name

__all__ = ["LABELLED", "RECORDED", "find_sets", "recorded_prm", "resolved"]

POCKET_CONTEXT = 512
"""Context in tokens with which pocket-gen was trained."""

RECORDED = "recorded"
"""The PRM name for scores recorded in the file."""

LABELLED: Mapping[str, str] = MappingProxyType(
    {
        "processbench-gsm8k": "ProcessBench: 400 solutions of GSM8K problems, the first wrong step found by people",
        "processbench-math": "ProcessBench: 1000 solutions of MATH problems, the first wrong step found by people",
        POCKET: "solutions that a generator samples, labelled by an exact checker",
        "simulated": "solutions of the simulated world, whose steps it knows",
    }
)
"""Sets with labelled steps: name -> one-line description."""


def find_sets(config: Config) -> list[GivenSet | SampledSet]:
    """Read all sets of a configuration.

    Raises:
        ConfigError: no set is named, one is named twice, or a set is incompatible with the PRM.
        ProblemSetError: a set cannot be read.
    """
    if "datasets" not in config.model_fields_set:
        raise ConfigError(
            "No set is named.",
            f"Type: --dataset with {', '.join(LABELLED)}, a problem set, or a file of labelled solutions (.jsonl)",
        )
    sets = [_find(name, config) for name in config.datasets]
    names = [each.name for each in sets]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"The set {twice!r} is named twice.", "Name it once, or rename one of the files.")
    for each in sets:
        _check(each, config)
    return sets


def _find(name: str, config: Config) -> GivenSet | SampledSet:
    if name in PROCESSBENCH:
        return _sampled(processbench(name), config)
    path = os.path.expanduser(name)
    if name.lower().startswith("processbench") and not os.path.isfile(path):
        raise ConfigError(f"There is no set or file {name!r}.", nearest(name.lower(), PROCESSBENCH))
    if os.path.isfile(path):
        given = read_solutions(path, recorded_prm(config))
        if given is not None:
            return _sampled(given, config)
        return replace(sampled_set(name, config), name=name_of(path))
    return sampled_set(name, config)


def _sampled(given: GivenSet, config: Config) -> GivenSet:
    """Keep the solutions of a seeded sample of `num_samples` problems."""
    problems = list({each.problem.id: each.problem for each in given.solutions}.values())
    kept = {problem.id for problem in sample(problems, config.num_samples, config.seed)}
    return replace(given, solutions=[each for each in given.solutions if each.problem.id in kept])


def _check(each: GivenSet | SampledSet, config: Config) -> None:
    """Reject sets on which scoring would fail for every solution."""
    if recorded_prm(config):
        _check_recorded(each)
        return
    if not isinstance(each, GivenSet):
        return
    _check_written_by_others(each, config)
    bare = next((one for one in each.solutions if any(not step.text.strip() for step in one.steps)), None)
    if bare is not None:
        raise ConfigError(
            f"{each.name!r} does not hold the steps of {bare.id!r}, only its end or blanks; no PRM can read them.",
            f"Its recorded scores can be measured: tt-scale prm-eval {RECORDED}",
        )


def _check_written_by_others(each: GivenSet, config: Config) -> None:
    for prm in resolve(config).prms:
        if prm.cls.reads_samples:
            raise ConfigError(
                f"The PRM {prm.name!r} reads what a generator leaves behind as it samples, and the solutions of "
                f"{each.name!r} were written by others.",
                f"Type: --dataset {prm.name if prm.name in LABELLED else POCKET}",
            )


def _check_recorded(each: GivenSet | SampledSet) -> None:
    solutions = each.solutions if isinstance(each, GivenSet) else ()
    if not solutions or not all(one.recorded for one in solutions):
        raise ConfigError(
            f"{each.name!r} has no recorded score for every step.",
            "Name a PRM, or a replay with scores; if it has scores of several PRMs, name one and type: --prm recorded",
        )
    for one in solutions:
        for score in one.recorded:
            if not 0.0 <= score <= 1.0:
                raise ConfigError(f"{each.name!r}: {one.id!r} has the score {score}; a score lies between 0 and 1.")


def recorded_prm(config: Config) -> str:
    """The PRM whose recorded scores are measured, `RECORDED` for the only one of a file; empty if a PRM scores now."""
    return config.prm_name if RECORDED in (config.prm_name, config.prm) else ""


def resolved(config: Config) -> Config:
    """Set `model_name` to the generator that belongs to a set or a PRM, if none is configured."""
    if "model_name" in config.model_fields_set:
        return config
    names: Sequence[str] = [name.partition(":")[0] for name in config.datasets]
    for world in (config.prm_name, *names):  # a problem set, a PRM and a generator of one name belong together
        if is_own_name("generators", world):
            return config.model_copy(update={"model_name": world})
    if POCKET in names:
        context = {} if "max_model_len" in config.model_fields_set else {"max_model_len": POCKET_CONTEXT}
        return config.model_copy(update={"model_name": "pocket-gen", **context})
    return config
