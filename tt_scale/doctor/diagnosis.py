"""Diagnosis of `tt-scale doctor`: installation, machine, backends, and memory of the models."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tt_scale.backends import ResolvedModels, ResolvedPRM, resolve
from tt_scale.bench.run.distribute.requirements import check_distribution
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
    """State of the installation.

    Attributes:
        packages: relevant packages, required ones first, missing ones included.
        devices: devices that torch supports; empty if torch is not installed.
        fault: why Transformers fails to import, and what to type; empty without a fault.
    """

    packages: Sequence[Finding]
    devices: str
    fault: str


@dataclass(frozen=True)
class Models:
    """Models of a configuration and their requirements.

    Attributes:
        generator: name and backend.
        prms: name and backend of each PRM; empty without a PRM.
        combined: how several PRMs are combined; empty with fewer than two.
        servers: answers of the servers that the models use; empty without a server.
        dtypes: lines on the data types.
        memory: the memory plan.
    """

    generator: str
    prms: Sequence[str]
    combined: str
    servers: Sequence[str]
    dtypes: Sequence[str]
    memory: MemoryPlan


@dataclass(frozen=True)
class Diagnosis:
    """Everything that determines whether a configuration can run on this machine.

    Attributes:
        installed: state of the installation.
        machine: the machine, as returned by `hardware`.
        models: models and requirements; None if an engine is missing.
        no_engine: the missing engine, and what to type; empty if none is missing.
        sandbox: a line on whether model-written code can run isolated on this machine.
    """

    installed: Installed
    machine: Mapping[str, Any]
    models: Models | None
    no_engine: str
    sandbox: str


def diagnose(config: Config) -> Diagnosis:
    """Diagnose whether a configuration can run on this machine.

    Raises:
        ConfigError: the configuration is invalid on any machine.
    """
    searcher_class(config.method).from_config(config)
    check_distribution(config)
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
    findings = packages()
    torch = any(each.package == "torch" and each.version for each in findings)
    return Installed(findings, torch_devices() if torch else "", broken_transformers())


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
    """Set the context from local files; if that is not possible, use the default."""
    own = own_context(model_settings(config.model_name))
    if own is None:
        default = Config.model_fields["max_model_len"].default
        return config if config.max_model_len else config.model_copy(update={"max_model_len": default})
    return fitted(config, own)


def memory_plan(models: ResolvedModels, gpus: Sequence[str], ram_gib: float) -> MemoryPlan:
    """Plan the memory of the models of a run.

    Args:
        models: models of the run.
        gpus: GPUs as returned by `hardware`: "NVIDIA H200, 143771 MiB"; empty plans for the CPU. A GPU without a
            memory size shares the main memory.
        ram_gib: main memory.
    """
    matches = [re.search(r"([\d.]+) MiB", gpu) for gpu in gpus]
    sizes = [float(match[1]) / 1024 if match else ram_gib for match in matches]
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
    """The loaded models and the GPUs of each; an empty range means main memory."""
    config = models.config

    def from_gpu(first: int | None) -> range:
        return range(0) if first is None else range(first, first + config.tensor_parallel_size)

    best = from_gpu(0 if gpus else None)
    places = {"generator": best} if models.generator.weights else {}
    if any(prm.weights for prm in models.prms):
        places["PRM"] = best if config.prm_device is None else from_gpu(first_gpu(config.prm_device))
    return places


def _shares(models: ResolvedModels, role: str, gpus: range, *, apart: bool) -> list[Share]:
    """Memory shares of the generator, or of each PRM."""
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
    """Data type for the memory plan; "auto" on a GPU is the checkpoint's type."""
    if config.dtype in TYPES:
        return str(config.dtype)
    return fastest_type() if on_cpu else config.dtype or UNSET_DTYPE


def _context_of(name: str, prm: ResolvedPRM) -> int:
    """Tokens for which a PRM's KV cache needs room, as its backend requests from the engine."""
    return prm.cls.context_of(model_settings(name), prm.config)


def _dtypes(models: ResolvedModels) -> list[str]:
    """Lines on the data type of each model and its reason, with warnings on slow or unsupported types."""
    config = models.config
    reason = "unset" if config.dtype is None else "asked for" if config.dtype in TYPES else config.dtype
    roles_by_type: dict[str, list[str]] = {}
    for each in loaded_models(models):
        folder = model_folder(each.name)
        unread = config.dtype == "auto" and each.target.on_cuda and folder is None
        dtype = "what the checkpoint says" if unread else each.dtype(config.dtype, str(folder or ""))
        roles_by_type.setdefault(f"{dtype} ({reason})", []).append(each.role)
    single = len(roles_by_type) == 1
    lines = [f"{dtype}{'' if single else ': ' + ', '.join(roles)}" for dtype, roles in roles_by_type.items()]
    try:
        check_dtypes(models)
    except ConfigError as error:
        return [*lines, str(error)]
    return [*lines, *dtype_warnings(models)]
