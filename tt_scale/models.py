"""Open the two models of a run, and close them on every way out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.util import find_spec
from shutil import which

from tt_scale.base_classes import PRM, Generator, Searcher
from tt_scale.config import Config
from tt_scale.errors import ConfigError, MissingExtraError
from tt_scale.likelihood import refuse_untold
from tt_scale.registry import available, generator_class, prm_class, searcher_class

__all__ = ["SHARED_PRMS", "backends", "check_models", "make_models", "make_searcher", "open_models"]

SHARED_PRMS = ("confidence", "judge", "simulated")
"""PRMs without weights of their own; `prm_name` names them as it names a model."""


def backends(config: Config) -> tuple[str, str]:
    """Resolve `auto`: the names of the generator's and the PRM's backend, "none" for no PRM.

    Raises:
        MissingExtraError: a real model is named, and no engine for it is installed.
    """
    generator = config.generator
    if generator == "auto":
        generator = "simulated" if config.model_name == "simulated" else _installed_engine()
    prm = config.prm
    if config.prm_name in ("none", ""):
        prm = "none"
    elif prm == "auto":
        prm = config.prm_name if config.prm_name in SHARED_PRMS else _prm_engine(generator)
    return generator, prm


def _prm_engine(generator: str) -> str:
    """The PRM runs where the generator runs, unless that is a third-party generator without a PRM of its name."""
    return generator if generator in available("prms") else _installed_engine()


def _installed_engine() -> str:
    if find_spec("vllm"):
        return "vllm"
    if find_spec("transformers") and find_spec("torch"):
        return "huggingface"
    raise MissingExtraError("vllm", "gpu" if which("nvidia-smi") else "cpu", "Running a model")


def make_models(config: Config) -> tuple[Generator, PRM | None]:
    """Make both models without loading anything.

    Raises:
        ConfigError: a backend that does not exist, or a pair that cannot work.
    """
    check_models(config)
    generator_name, prm_name = backends(config)
    generator = generator_class(generator_name).from_config(config)
    if prm_name == "none":
        return generator, None
    return generator, prm_class(prm_name).from_config(config, generator)


def check_models(config: Config) -> None:
    """Refuse names that do not belong together, without importing a backend.

    Raises:
        ConfigError: a backend without a model of its own under the name of a model that it would not run.
    """
    generator, prm = backends(config)
    _check_name("generator", generator, "model_name", config.model_name)
    _check_name("PRM", prm, "prm_name", config.prm_name)


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
    """Start the generator, then the PRM (two engines that start at once mis-measure memory); close both at the end."""
    generator, prm = make_models(config)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(generator.close)
        await generator.start()
        if prm is not None:
            stack.push_async_callback(prm.close)
            await prm.start()
        yield generator, prm
