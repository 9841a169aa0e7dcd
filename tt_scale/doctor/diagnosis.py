"""The diagnosis of `tt-scale doctor`: installation, machine, backends, and whether the two models fit."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tt_scale.backends import ResolvedModels, ResolvedPRM, resolve
from tt_scale.bench.run.manifest import hardware
from tt_scale.config import Config
from tt_scale.config.runtime import UNSET_DTYPE
from tt_scale.doctor.installation import Finding, broken_transformers, packages, torch_devices
from tt_scale.doctor.memory_plan import MemoryPlan, Share, plan_cpu, plan_gpu, together
from tt_scale.doctor.servers import server_lines
from tt_scale.engines.context_length import fitted, own_context
from tt_scale.engines.dtypes import TYPES, fastest_type
from tt_scale.engines.model_dtypes import check_dtypes, dtype_warnings, loaded_models
from tt_scale.engines.model_size import model_folder, model_settings, model_size
from tt_scale.engines.vllm.devices import first_gpu
from tt_scale.errors import ConfigError, MissingExtraError
from tt_scale.preflight import check_models
from tt_scale.registry import searcher_class
from tt_scale.sandbox import probe

__all__ = ["Diagnosis", "diagnose", "memory_plan"]


@dataclass(frozen=True)
class Installed:
    """What is installed.

    Attributes:
        packages: those that matter, required ones first, missing ones included.
        devices: what torch can run on; empty where torch is not installed.
        fault: what keeps Transformers from working, and what to type; empty where nothing does.
    """

    packages: Sequence[Finding]
    devices: str
    fault: str


@dataclass(frozen=True)
class Models:
    """What the models of a configuration need.

    Attributes:
        generator: name and backend.
        prms: name and backend of each; empty where there is none.
        combined: how several PRMs become one; empty where there are not several.
        servers: what those that the models are behind answered; empty where there are none.
        dtypes: lines about the number types.
        memory: the plan.
    """

    generator: str
    prms: Sequence[str]
    combined: str
    servers: Sequence[str]
    dtypes: Sequence[str]
    memory: MemoryPlan


@dataclass(frozen=True)
class Diagnosis:
    """Everything that decides whether a configuration can run here.

    Attributes:
        installed: packages.
        machine: as `hardware` gives it.
        models: None where a backend is missing.
        no_engine: which one, and what to type; empty where none is.
        sandbox: whether code that a model wrote can run isolated here, in a line.
    """

    installed: Installed
    machine: Mapping[str, Any]
    models: Models | None
    no_engine: str
    sandbox: str


def diagnose(config: Config) -> Diagnosis:
    """Find everything that decides whether a configuration can run here.

    Raises:
        ConfigError: the configuration itself cannot run anywhere.
    """
    searcher_class(config.method).from_config(config)
    models, no_engine = None, ""
    try:
        models = resolve(_with_context(config))
        check_models(models)
    except MissingExtraError as error:
        models, no_engine = None, str(error)
    installed, machine = _installed(), hardware()
    needs = None if models is None else _models(models, machine)
    return Diagnosis(installed, machine, needs, no_engine, probe().line)


def _installed() -> Installed:
    found = packages()
    torch = any(each.package == "torch" and each.version for each in found)
    return Installed(found, torch_devices() if torch else "", broken_transformers())


def _models(models: ResolvedModels, machine: Mapping[str, Any]) -> Models:
    gpus = [str(gpu) for gpu in machine["gpus"]]
    return Models(
        generator=f"{models.config.model_name} on {models.generator.backend}",
        prms=[f"{prm.name} on {prm.backend}" for prm in models.prms],
        combined=models.config.prm_combine if len(models.prms) > 1 else "",
        servers=server_lines(models),
        dtypes=_dtypes(models),
        memory=memory_plan(models, gpus, float(machine["memory_gib"] or 0)),
    )


def _with_context(config: Config) -> Config:
    """Fill in the context as far as it can be known without the hub; what cannot be is planned for as by default."""
    own = own_context(model_settings(config.model_name))
    if own is None:
        default = Config.model_fields["max_model_len"].default
        return config if config.max_model_len else config.model_copy(update={"max_model_len": default})
    return fitted(config, own)


def memory_plan(models: ResolvedModels, gpus: Sequence[str], ram_gib: float) -> MemoryPlan:
    """Plan the memory of the models of a run.

    Args:
        models: of the run.
        gpus: as `hardware` tells them: "NVIDIA H200, 143771 MiB"; none plans for the CPU. One whose memory is not
            told shares the main memory.
        ram_gib: main memory.
    """
    told = [re.search(r"([\d.]+) MiB", gpu) for gpu in gpus]
    sizes = [float(found[1]) / 1024 if found else ram_gib for found in told]
    config, places = models.config, _places(models, len(sizes))
    if not places:
        return MemoryPlan((), True, "Fits: no model is loaded.")
    missing = [gpu for place in places.values() for gpu in place if gpu >= len(sizes)]
    if missing:
        key = f"prm_device is {config.prm_device}, " if config.prm_device else ""
        asked = f"{key}tensor_parallel_size is {config.tensor_parallel_size}, but there are {len(sizes)} GPUs"
        return MemoryPlan((), False, f"Does not fit: {asked}.")
    meet = len(set(places.values())) == 1 or bool(set.intersection(*map(set, places.values())))
    groups = [list(places)] if meet else [[role] for role in places]
    plans = []
    for group in groups:
        shares = [each for role in group for each in _shares(models, role, places[role], apart=len(groups) > 1)]
        used = [sizes[gpu] for role in group for gpu in places[role]]
        plans.append(plan_gpu(shares, min(used), config.tensor_parallel_size) if used else plan_cpu(shares, ram_gib))
    return together(plans)


def _places(models: ResolvedModels, gpus: int) -> dict[str, range]:
    """The models that are loaded here, and the GPUs of each; none means main memory."""
    config = models.config

    def from_gpu(first: int | None) -> range:
        return range(0) if first is None else range(first, first + config.tensor_parallel_size)

    best = from_gpu(0 if gpus else None)
    places = {"generator": best} if models.generator.weights else {}
    if any(prm.weights for prm in models.prms):
        places["PRM"] = best if config.prm_device is None else from_gpu(first_gpu(config.prm_device))
    return places


def _shares(models: ResolvedModels, role: str, gpus: range, *, apart: bool) -> list[Share]:
    """What the generator, or each of the PRMs, takes of its place."""
    config = models.config
    place = "" if not apart else f"cuda:{gpus[0]}" if gpus else "the CPU"
    if role == "generator":
        own = [(config.model_name, config.quantization, config.gpu_mem_util, config.context)]
    else:
        own = []
        for prm in models.prms:
            granted = config.prm_gpu_mem_util / max(len(prm.weights), 1)
            own += [(each.name, config.prm_quantization, granted, _context_of(each.name, prm)) for each in prm.weights]
    key = "kv_cache_gib" if not gpus else "gpu_mem_util" if role == "generator" else "prm_gpu_mem_util"
    return [
        Share(
            role,
            name,
            model_size(name, _planned_dtype(config, on_cpu=not gpus), quantization, model_folder(name)),
            key,
            granted if gpus else config.kv_cache_gib,
            context,
            place,
        )
        for name, quantization, granted, context in own
    ]


def _planned_dtype(config: Config, *, on_cpu: bool) -> str:
    """The type that memory is planned with; "auto" on a GPU is the checkpoint's."""
    if config.dtype in TYPES:
        return str(config.dtype)
    return fastest_type() if on_cpu else config.dtype or UNSET_DTYPE


def _context_of(name: str, prm: ResolvedPRM) -> int:
    """Tokens for which a PRM's cache must have room: what its backend asks the engine for."""
    return prm.cls.context_of(model_settings(name), prm.config)


def _dtypes(models: ResolvedModels) -> list[str]:
    """In which type each model computes, and why; what is slow or cannot be computed says so."""
    config = models.config
    reason = "unset" if config.dtype is None else "asked for" if config.dtype in TYPES else config.dtype
    found: dict[str, list[str]] = {}
    for each in loaded_models(models):
        folder = model_folder(each.name)
        unread = config.dtype == "auto" and each.place.on_cuda and folder is None
        dtype = "what the checkpoint says" if unread else each.dtype(config.dtype, str(folder or ""))
        found.setdefault(f"{dtype} ({reason})", []).append(each.role)
    told = [f"{dtype}{'' if len(found) == 1 else ': ' + ', '.join(roles)}" for dtype, roles in found.items()]
    try:
        check_dtypes(models)
    except ConfigError as error:
        return [*told, str(error)]
    return [*told, *dtype_warnings(models)]
