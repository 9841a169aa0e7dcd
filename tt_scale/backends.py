"""Which backends a configuration means, and whether they fit together; nothing is imported or loaded for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from shutil import which
from typing import Any, TypeVar

from tt_scale.config import Config, split_names
from tt_scale.engines.main_guard import check_main_guard
from tt_scale.errors import ConfigError, MissingExtraError
from tt_scale.registry import available, family_backend

__all__ = [
    "ENSEMBLE",
    "ON_TRANSFORMERS",
    "SHARED_PRMS",
    "WRITING",
    "backends",
    "check_models",
    "engine_beside",
    "prm_configs",
    "weights_of",
]

Name = TypeVar("Name", bound="str | None")

ENSEMBLE = "ensemble"
"""What stands for a backend where `prm_name` lists several PRMs."""

SHARED_PRMS = ("confidence", "judge", "simulated")
"""PRMs without weights of their own; `prm_name` names them as it names a model."""

ON_TRANSFORMERS = ("huggingface", "trie")
"""Generators beside which a PRM runs on Transformers, too."""

WRITING = ("genprm", "thinkprm")
"""Backends whose PRM is a language model, which may be the generator itself."""


def backends(config: Config) -> tuple[str, str]:
    """Resolve `auto`: the names of the generator's and the PRM's backend, "none" for no PRM, "ensemble" for several.

    Raises:
        MissingExtraError: a real model is named, and no engine for it is installed.
    """
    generator = config.generator
    if generator == "auto":
        generator = "simulated" if config.model_name == "simulated" else _installed_engine()
    prm = config.prm
    if config.prm_names == ("none",):
        prm = "none"
    elif len(config.prm_names) > 1:
        prm = ENSEMBLE
    elif prm == "auto":
        prm = _prm_backend(config, generator)
    return generator, prm


def _prm_backend(config: Config, generator: str) -> str:
    if config.prm_name in SHARED_PRMS:
        return config.prm_name
    family = family_backend(config.prm_name) if config.prm_adapter == "auto" else ""
    return family or _prm_engine(config, generator)


def prm_configs(config: Config) -> list[Config]:
    """Give each PRM a configuration of its own, where `prm_name` is its name and `prm` its backend; none without one.

    Raises:
        ConfigError: `prm_adapter` or `prm_args` do not say which PRM they mean.
    """
    names = config.prm_names
    if names == ("none",):
        return []
    adapters = _one_each("prm_adapter", "adapters", split_names(config.prm_adapter) or ("auto",), len(names))
    revisions = _one_each("prm_revision", "revisions", split_names(config.prm_revision or "") or (None,), len(names))
    found = []
    for name, adapter, revision in zip(names, adapters, revisions, strict=True):
        if revision is None and name == config.model_name:
            revision = config.model_revision
        own = "auto" if len(names) > 1 and name in SHARED_PRMS else config.prm
        one = config.model_copy(
            update={
                "prm_name": name,
                "prm_revision": revision,
                "prm": own,
                "prm_adapter": adapter,
                "prm_args": _args_of(config, name),
            }
        )
        found.append(one.model_copy(update={"prm": backends(one)[1]}))
    return found


def _one_each(key: str, what: str, given: Sequence[Name], count: int) -> Sequence[Name]:
    """One value for each PRM, or one for all."""
    if len(given) not in (1, count):
        raise ConfigError(f"{key} names {len(given)} {what} for {count} PRMs.", "Name one for all, or one each.")
    return given if len(given) == count else [given[0]] * count


def weights_of(config: Config) -> list[str]:
    """Name the models that a PRM, configured as `prm_configs` gives it, loads beside the generator's; none for none."""
    if config.prm == "eurus":
        from tt_scale.prm.implicit.eurus import REFERENCE

        return [config.prm_name, str(config.prm_args.get("reference", REFERENCE))]
    if config.prm in ("judge", *WRITING):
        loads = config.prm_name != "judge" and not config.one_model
    else:
        loads = config.prm not in (*SHARED_PRMS, "generator", "http")
    return [config.prm_name] if loads else []


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


def _prm_engine(config: Config, generator: str) -> str:
    """The PRM runs where the generator runs, unless that is a third-party generator without a PRM of its name.

    A server's address, or the generator's own name, say more.
    """
    if config.prm_url is not None:
        return "http"
    as_it_is = config.prm_quantization is None and config.prm_device is None
    if config.one_model and as_it_is and generator in ("vllm", *ON_TRANSFORMERS):
        return "generator"
    return generator if generator in available("prms") else engine_beside(generator)


def engine_beside(generator: str) -> str:
    """Name the engine on which models run beside a generator: its own where it has one, else what is installed.

    Raises:
        MissingExtraError: nothing is.
    """
    if generator in ON_TRANSFORMERS:
        return "huggingface"
    return generator if generator == "vllm" else _installed_engine()


def _installed_engine() -> str:
    if find_spec("vllm"):
        return "vllm"
    if find_spec("transformers") and find_spec("torch"):
        return "huggingface"
    raise MissingExtraError("vllm", "gpu" if which("nvidia-smi") else "cpu", "Running a model")


def check_models(config: Config) -> None:
    """Refuse names that do not belong together, without importing a backend.

    Raises:
        ConfigError: a backend without a model of its own under the name of a model that it would not run, or vLLM in
            a script that would begin anew in each process that it starts.
    """
    _check_name("generator", backends(config)[0], "model_name", config.model_name)
    if "vllm" in (backends(config)[0], *(each.prm for each in prm_configs(config))):
        check_main_guard()
    for each in prm_configs(config):
        _check_name("PRM", each.prm, "prm_name", each.prm_name)
        if each.prm_name in SHARED_PRMS and each.prm in ("huggingface", "vllm"):
            raise ConfigError(
                f"prm_name is {each.prm_name!r}, which has no weights of its own, but prm is {each.prm!r}, which loads "
                "some.",
                "Type: --prm auto",
            )
    if config.prm_url is not None and "http" not in [each.prm for each in prm_configs(config)]:
        raise ConfigError(
            f"prm_url is {config.prm_url!r}, but the PRM is {backends(config)[1]!r}, which asks no server.",
            "Leave out --prm-url, or type: --prm http",
        )


def _check_name(key: str, backend: str, name_key: str, name: str) -> None:
    """A table must not name a model that never ran."""
    if backend in ("simulated", "confidence") and name != backend:
        raise ConfigError(
            f"The {key} is {backend!r}, but {name_key} is {name!r}, which it does not run.",
            f"Type: --{name_key.replace('_', '-')} {backend}",
        )
