"""Open the two models of a run, and close them on every way out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.util import find_spec
from shutil import which
from typing import Any, TypeVar

from tt_scale.base_classes import PRM, Generator, Searcher
from tt_scale.batching import together
from tt_scale.config import Config, split_names
from tt_scale.errors import ConfigError, MissingExtraError
from tt_scale.likelihood import refuse_untold
from tt_scale.main_guard import check_main_guard
from tt_scale.prm.ensemble import EnsemblePRM
from tt_scale.prm.remembered import RememberedPRM
from tt_scale.prm.rows import RowPRM
from tt_scale.registry import available, family_backend, generator_class, prm_class, searcher_class

__all__ = [
    "ENSEMBLE",
    "SHARED_PRMS",
    "WRITING",
    "backends",
    "check_models",
    "engine_beside",
    "make_models",
    "make_searcher",
    "open_models",
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
        from tt_scale.prm.eurus import REFERENCE

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


def make_models(config: Config) -> tuple[Generator, PRM | None]:
    """Make both models without loading anything.

    Raises:
        ConfigError: a backend that does not exist, a pair that cannot work, or a `dtype` that cannot be computed here.
    """
    from tt_scale.model_dtypes import check_dtypes

    check_models(config)
    check_dtypes(config)
    generator_name, prm_name = backends(config)
    generator = generator_class(generator_name).from_config(config)
    if prm_name == "none":
        return generator, None
    if prm_name == ENSEMBLE:
        return generator, EnsemblePRM.from_config(config, generator)
    [one] = prm_configs(config)
    return generator, prm_class(prm_name).from_config(one, generator)


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


def make_searcher(config: Config) -> Searcher:
    """Make the method that a configuration names.

    Raises:
        ConfigError: an unknown method, a bad knob, a method that needs a PRM without one, or one that needs
            log-probabilities from a generator that tells none.
    """
    searcher = searcher_class(config.method).from_config(config)
    if searcher.uses_prm and backends(config)[1] == "none":
        raise ConfigError(
            f"method {config.method!r} needs a PRM, and prm_name is {config.prm_name!r}.",
            "Type: --prm-name judge, or the name of a PRM",
        )
    if searcher.top_logprobs:
        generator = generator_class(backends(config)[0])
        refuse_untold(generator, searcher.top_logprobs, f"method {config.method!r}")
    return searcher


@asynccontextmanager
async def open_models(config: Config) -> AsyncIterator[tuple[Generator, PRM | None]]:
    """Start both models and close them at the end.

    The generator starts first, since two engines that start at once mis-measure a GPU's memory; on a CPU nothing is
    measured, and while the generator's engine starts in its process, the PRM is loaded.

    A PRM on Transformers is remembered, so that equal steps have equal scores whatever shares their batches.

    Raises:
        TTScaleError: a model cannot be loaded, or memory has no room for both.
    """
    from tt_scale.memory_check import require_memory

    generator, prm = make_models(config)
    if prm is not None:
        prm = _remembering(prm, config)
    require_memory(config)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(generator.close)
        if prm is None:
            await generator.start()
        else:
            stack.push_async_callback(prm.close)
            await _start_both(generator, prm, apart=all(weights_of(each) for each in prm_configs(config)))
        yield generator, prm


async def _start_both(generator: Generator, prm: PRM, *, apart: bool) -> None:
    """Start both; a PRM that is `apart`, with weights of its own, does not wait for the generator where it need not."""
    if apart and await generator.launch():
        await together([generator.start(), prm.start()])
    else:
        await generator.start()
        await prm.start()


def _remembering(prm: PRM, config: Config) -> PRM:
    if isinstance(prm, EnsemblePRM):
        members = {each.prm_name: _remembering(prm.members[each.prm_name], each) for each in prm_configs(config)}
        return EnsemblePRM(members, config.prm_combine)
    return RememberedPRM(prm) if isinstance(prm, RowPRM) and backends(config)[1] == "huggingface" else prm
