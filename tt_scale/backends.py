"""Which backends a configuration means, and what they load: `resolve` makes `ResolvedModels` of a `Config`.

Whoever is given a configuration (opening models, preflight, a manifest) resolves it and passes the result on. What a
backend can do is said by attributes of its class (`Generator`, `PRM`), so that a new one is named nowhere here; its
module is imported for that, but no engine, and nothing is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from shutil import which
from types import MappingProxyType
from typing import Any, TypeVar

from tt_scale.base_classes import PRM, SERVER_KEYS, Generator
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
"""What loads weights, the preferred first, and the packages that each needs; a generator and a PRM bear its name."""

PRM_KEYS = PRM.config_keys | {"prm_quality", "prm_confidence"}
"""The keys that only some PRMs read; `PRM.config_keys` says which."""


@dataclass(frozen=True, slots=True)
class ResolvedGenerator:
    """The generator of a run.

    Attributes:
        backend: its name in the registry.
        cls: its class.
        weights: the models that it loads, each with the engine that does; none for a world of its own.
    """

    backend: str
    cls: type[Generator]
    weights: tuple[Weights, ...]

    @property
    def engine_beside(self) -> str:
        """The engine on which other models run beside it: its own where that is one of ours, else what is installed.

        Raises:
            MissingExtraError: nothing is.
        """
        return self.cls.engine if self.cls.engine in ENGINES else _preferred_engine()


@dataclass(frozen=True, slots=True)
class ResolvedPRM:
    """One PRM of a run.

    Attributes:
        backend: its name in the registry.
        cls: its class.
        config: the run's, for this PRM alone: `prm_name` is its name, `prm` its backend.
        weights: the models that it loads beside the generator's, each with the engine that does.
    """

    backend: str
    cls: type[PRM]
    config: Config
    weights: tuple[Weights, ...]

    @property
    def name(self) -> str:
        """As the configuration has it."""
        return self.config.prm_name

    @property
    def uses_generator(self) -> bool:
        """Whether it asks the run's generator, which then has to run."""
        return self.cls.uses_generator and not (self.cls.engine == "generator" and self.weights)


@dataclass(frozen=True, slots=True)
class ResolvedModels:
    """The models of a run, by their classes; nothing is made or loaded.

    Attributes:
        config: of the run.
        generator: that writes.
        prms: that score, in the order in which the configuration lists them; none, one, or the members of an ensemble.
    """

    config: Config
    generator: ResolvedGenerator
    prms: tuple[ResolvedPRM, ...]

    @property
    def prm_backends(self) -> str:
        """The backends of the PRMs, with commas between several; "none" without one."""
        return ", ".join([prm.backend for prm in self.prms]) or "none"

    @property
    def unread_keys(self) -> frozenset[str]:
        """Those of `PRM_KEYS` that no PRM of the run reads, and of `SERVER_KEYS` that its generator does not."""
        others = SERVER_KEYS - self.generator.cls.config_keys
        return others | PRM_KEYS.difference(*[prm.cls.config_keys for prm in self.prms])


def resolve(config: Config) -> ResolvedModels:
    """Find the backends that a configuration means, and give each PRM a configuration of its own.

    Raises:
        ConfigError: a backend that does not exist or cannot be imported; `prm_adapter`, `prm_revision` or `prm_args`
            do not say which PRM they mean.
        MissingExtraError: a real model is named, and no engine for it is installed.
    """
    generator = resolve_generator(config)
    return ResolvedModels(config, generator, tuple([_prm(each, generator) for each in _configs_of_prms(config)]))


def resolve_generator(config: Config) -> ResolvedGenerator:
    """The generator alone; errors as of `resolve`."""
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
    return ResolvedPRM(backend, cls, own, tuple([_placed(each, generator) for each in cls.weights(own)]))


def _placed(weights: Weights, generator: ResolvedGenerator) -> Weights:
    """Name the engine of weights that are loaded where the generator's are."""
    if weights.engine == "generator":
        return replace(weights, engine=generator.cls.engine)
    return replace(weights, engine=generator.engine_beside) if weights.engine == "auto" else weights


def _prm_backend(config: Config, generator: ResolvedGenerator) -> str:
    """What the configuration names, what the PRM's name is or is known by, or where it can run."""
    if config.prm != "auto":
        return config.prm
    if is_own_name("prms", config.prm_name):
        return config.prm_name
    family = family_backend(config.prm_name) if config.prm_adapter == "auto" else ""
    return family or _scoring_engine(config, generator)


def _scoring_engine(config: Config, generator: ResolvedGenerator) -> str:
    """The PRM runs where the generator runs, unless that is a third-party generator without a PRM of its name.

    A server's address, or the generator's own name, say more.
    """
    if config.prm_url is not None:
        return "http"
    as_it_is = config.prm_quantization is None and config.prm_device is None
    if config.one_model and as_it_is and generator.cls.can_score:
        return "generator"
    return generator.backend if generator.backend in available("prms") else generator.engine_beside


def _configs_of_prms(config: Config) -> list[Config]:
    """Give each PRM a configuration where `prm_name` is its name; `prm` may still be "auto"."""
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


def _one_each(key: str, what: str, given: Sequence[Name], count: int) -> Sequence[Name]:
    """One value for each PRM, or one for all."""
    if len(given) not in (1, count):
        raise ConfigError(f"{key} names {len(given)} {what} for {count} PRMs.", "Name one for all, or one each.")
    return given if len(given) == count else [given[0]] * count


def _args_of(config: Config, name: str) -> dict[str, Any]:
    """What of `prm_args` is meant for one PRM."""
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
    """The engines that can load weights here, the preferred first."""
    return [engine for engine, packages in ENGINES.items() if all(find_spec(package) for package in packages)]


def _preferred_engine() -> str:
    found = installed_engines()
    if not found:
        raise MissingExtraError("vllm", "gpu" if which("nvidia-smi") else "cpu", "Running a model")
    return found[0]
