"""Open the two models of a run, and close them on every way out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.util import find_spec
from shutil import which

from tt_scale.base_classes import PRM, Generator, Searcher
from tt_scale.config import Config
from tt_scale.errors import ConfigError, MissingExtraError
from tt_scale.registry import available, generator_class, prm_class, searcher_class

__all__ = ["backends", "check_models", "loads_prm", "make_models", "make_searcher", "open_models"]


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
        prm = config.prm_name if config.prm_name in ("judge", "simulated") else _prm_engine(config, generator)
    return generator, prm


def loads_prm(config: Config) -> bool:
    """Whether a run loads a second model here: not where its PRM is simulated, the generator's own, or a server's."""
    prm = backends(config)[1]
    if prm == "judge":
        return config.prm_name not in ("judge", config.model_name)
    return prm not in ("none", "simulated", "generator", "http")


def _prm_engine(config: Config, generator: str) -> str:
    """The PRM runs where the generator runs, unless that is a third-party generator without a PRM of its name.

    A server's address, or the generator's own name, say more.
    """
    if config.prm_url is not None:
        return "http"
    as_it_is = config.prm_quantization is None and config.prm_device is None
    if config.prm_name == config.model_name and as_it_is and generator in ("vllm", "huggingface"):
        return "generator"
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
        ConfigError: a simulated backend under the name of a model that it would not run.
    """
    generator, prm = backends(config)
    _check_simulated("generator", generator, "model_name", config.model_name)
    _check_simulated("PRM", prm, "prm_name", config.prm_name)
    if config.prm_url is not None and prm != "http":
        raise ConfigError(
            f"prm_url is {config.prm_url!r}, but the PRM is {prm!r}, which asks no server.",
            "Leave out --prm-url, or type: --prm http",
        )


def _check_simulated(key: str, backend: str, name_key: str, name: str) -> None:
    """A table must not name a model that never ran."""
    if backend == "simulated" and name != "simulated":
        raise ConfigError(
            f"The {key} is 'simulated', but {name_key} is {name!r}, which it does not run.",
            f"Type: --{name_key.replace('_', '-')} simulated",
        )


def make_searcher(config: Config) -> Searcher:
    """Make the method that a configuration names.

    Raises:
        ConfigError: an unknown method, a bad knob, or a method that needs a PRM without one.
    """
    searcher = searcher_class(config.method).from_config(config)
    if searcher.uses_prm and backends(config)[1] == "none":
        raise ConfigError(
            f"method {config.method!r} needs a PRM, and prm_name is {config.prm_name!r}.",
            "Type: --prm-name judge, or the name of a PRM",
        )
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
