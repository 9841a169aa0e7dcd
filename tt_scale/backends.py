"""Resolve a configuration to backends and the models that they load: `Config` to `ResolvedModels`.

Code that receives a configuration (opening models, preflight, a manifest) resolves it once and passes the result on.
Capabilities are class attributes of the backend (`Generator`, `PRM`), so that this module names no backend; resolving
imports the backend's module, but no engine, and loads nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from shutil import which
from types import MappingProxyType
from typing import Any, TypeVar

from tt_scale.base_classes import GENERATOR_KEYS, PRM, Generator
from tt_scale.config import Config, split_names
from tt_scale.core.records import Weights
from tt_scale.errors import ConfigError, MissingExtraError
from tt_scale.registry import available, family_backend, generator_class, is_own_name, prm_class

__all__ = [
    "ENGINES",
    "PRM_KEYS",
    "ResolvedGenerator",
    "ResolvedModels",
    "ResolvedPRM",
    "installed_engines",
    "resolve",
    "resolve_generator",
]

Name = TypeVar("Name", bound="str | None")

ENGINES: Mapping[str, tuple[str, ...]] = MappingProxyType({"vllm": ("vllm",), "huggingface": ("transformers", "torch")})
"""Engines that load weights, in order of preference, with the packages that each needs.

A generator backend and a PRM backend have the same name as each engine.
"""

PRM_KEYS = PRM.config_keys | {"prm_quality", "prm_confidence"}
"""Keys that only some PRMs read; `PRM.config_keys` lists those of each."""


@dataclass(frozen=True, slots=True)
class ResolvedGenerator:
    """The generator of a run.

    Attributes:
        backend: name of the backend in the registry.
        cls: class of the backend.
        weights: the models that it loads, each with its engine; empty for a generator without model weights.
    """

    backend: str
    cls: type[Generator]
    weights: tuple[Weights, ...]

    @property
    def engine_beside(self) -> str:
        """The engine for other models of the run: the generator's if it is a built-in one, else the installed one.

        Raises:
            MissingExtraError: no engine is installed.
        """
        return self.cls.engine if self.cls.engine in ENGINES else _preferred_engine()


@dataclass(frozen=True, slots=True)
class ResolvedPRM:
    """One PRM of a run.

    Attributes:
        backend: name of the backend in the registry.
        cls: class of the backend.
        config: the run's configuration for this PRM alone: `prm_name` is its name, `prm` its backend.
        weights: the models that it loads beside the generator's, each with its engine.
    """

    backend: str
    cls: type[PRM]
    config: Config
    weights: tuple[Weights, ...]

    @property
    def name(self) -> str:
        """The PRM's `prm_name`."""
        return self.config.prm_name

    @property
    def uses_generator(self) -> bool:
        """Whether it calls the run's generator, which then has to be loaded."""
        return self.cls.uses_generator and not (self.cls.engine == "generator" and self.weights)


@dataclass(frozen=True, slots=True)
class ResolvedModels:
    """Generator and PRMs of a run as classes; nothing is constructed or loaded.

    Attributes:
        config: the run's configuration.
        generator: the generator.
        prms: the PRMs, in the order of the configuration; none, one, or the members of an ensemble.
    """

    config: Config
    generator: ResolvedGenerator
    prms: tuple[ResolvedPRM, ...]

    @property
    def prm_backends(self) -> str:
        """Names of the PRM backends, separated by commas; "none" without a PRM."""
        return ", ".join([prm.backend for prm in self.prms]) or "none"

    @property
    def unread_keys(self) -> frozenset[str]:
        """The keys of `PRM_KEYS` that no PRM of the run reads, and those that its generator does not."""
        others = (GENERATOR_KEYS - self.generator.cls.config_keys) | self.generator.cls.unread_keys
        optional = [prm.cls.config_keys_if_set & self.config.non_defaults for prm in self.prms]
        return others | PRM_KEYS.difference(*[prm.cls.config_keys for prm in self.prms], *optional)


def resolve(config: Config) -> ResolvedModels:
    """Resolve the backends of a configuration, and give each PRM a configuration of its own.

    Raises:
        ConfigError: a backend does not exist or cannot be imported; `prm_adapter`, `prm_revision` or `prm_args`
            cannot be assigned to the PRMs.
        MissingExtraError: a model with weights is named, and no engine for it is installed.
    """
    generator = resolve_generator(config)
    return ResolvedModels(config, generator, tuple([_prm(each, generator) for each in _configs_of_prms(config)]))


def resolve_generator(config: Config) -> ResolvedGenerator:
    """Resolve the generator alone; errors as in `resolve`."""
    backend = config.generator
    if backend == "auto":
        own = is_own_name("generators", config.model_name)
        backend = config.model_name if own else "openai" if config.base_url else _preferred_engine()
    cls = generator_class(backend)
    return ResolvedGenerator(backend, cls, tuple(cls.weights(config)))


def _prm(config: Config, generator: ResolvedGenerator) -> ResolvedPRM:
    backend = _prm_backend(config, generator)
    cls = prm_class(backend)
    own = config.model_copy(update={"prm": backend})
    return ResolvedPRM(backend, cls, own, tuple([_with_engine(each, generator) for each in cls.weights(own)]))


def _with_engine(weights: Weights, generator: ResolvedGenerator) -> Weights:
    """Replace the engine names "generator" and "auto" by an actual engine."""
    if weights.engine == "generator":
        return replace(weights, engine=generator.cls.engine)
    return replace(weights, engine=generator.engine_beside) if weights.engine == "auto" else weights


def _prm_backend(config: Config, generator: ResolvedGenerator) -> str:
    """The PRM's backend: as configured, else by the PRM's name or model family, else by the engine."""
    if config.prm != "auto":
        return config.prm
    if generator.cls.prm_backend:
        return generator.cls.prm_backend
    if is_own_name("prms", config.prm_name):
        return config.prm_name
    family = family_backend(config.prm_name) if config.prm_adapter == "auto" else ""
    return family or _scoring_engine(config, generator)


def _scoring_engine(config: Config, generator: ResolvedGenerator) -> str:
    """The generator's engine, or an installed one beside a third-party generator without a PRM of the same name.

    `prm_url` selects "http"; a PRM that is the generator's model uses the generator's engine if it can score.
    """
    if config.prm_url is not None:
        return "http"
    unmodified = config.prm_quantization is None and config.prm_device is None
    if config.one_model and unmodified and generator.cls.can_score:
        return "generator"
    return generator.backend if generator.backend in available("prms") else generator.engine_beside


def _configs_of_prms(config: Config) -> list[Config]:
    """One configuration per PRM, with its name as `prm_name`; `prm` may still be "auto"."""
    if not config.has_prm:
        return []
    names = config.prm_names
    adapters = _one_each("prm_adapter", "adapters", split_names(config.prm_adapter) or ("auto",), len(names))
    revisions = _one_each("prm_revision", "revisions", split_names(config.prm_revision or "") or (None,), len(names))
    return [
        config.model_copy(
            update={
                "prm_name": name,
                "prm_revision": config.model_revision if revision is None and name == config.model_name else revision,
                "prm": "auto" if len(names) > 1 and is_own_name("prms", name) else config.prm,
                "prm_adapter": adapter,
                "prm_args": _args_of(config, name),
            }
        )
        for name, adapter, revision in zip(names, adapters, revisions, strict=True)
    ]


def _one_each(key: str, plural: str, values: Sequence[Name], count: int) -> Sequence[Name]:
    """One value per PRM; a single value is used for all."""
    if len(values) not in (1, count):
        raise ConfigError(f"{key} names {len(values)} {plural} for {count} PRMs.", "Name one for all, or one each.")
    return values if len(values) == count else [values[0]] * count


def _args_of(config: Config, name: str) -> dict[str, Any]:
    """The part of `prm_args` that belongs to one PRM."""
    if len(config.prm_names) == 1:
        return config.prm_args
    for key, knobs in config.prm_args.items():
        if key not in config.prm_names or not isinstance(knobs, Mapping):
            raise ConfigError(
                f"prm_args holds {key!r}; with several PRMs it holds the knobs of each by its name.",
                f"Write: prm_args: {{{name!r}: {{...}}}}",
            )
    return dict(config.prm_args.get(name, {}))


def installed_engines() -> list[str]:
    """Installed engines, in order of preference."""
    return [engine for engine, packages in ENGINES.items() if all(find_spec(package) for package in packages)]


def _preferred_engine() -> str:
    engines = installed_engines()
    if not engines:
        raise MissingExtraError("vllm", "gpu" if which("nvidia-smi") else "cpu", "Running a model")
    return engines[0]
