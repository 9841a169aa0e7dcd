"""Open the generator and the PRM of a run, and always close them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from tt_scale.backends import ResolvedModels, resolve, resolve_generator
from tt_scale.base_classes import PRM, Generator, Searcher
from tt_scale.config import Config
from tt_scale.core.concurrency import gather_or_cancel
from tt_scale.core.logprobs import require_logprobs
from tt_scale.engines.memory_check import require_memory
from tt_scale.engines.model_dtypes import check_dtypes
from tt_scale.errors import ConfigError
from tt_scale.preflight import check_models
from tt_scale.prm.ensemble import EnsemblePRM
from tt_scale.prm.score_cache import CachedPRM
from tt_scale.prm.token_prm import TokenPRM
from tt_scale.registry import searcher_class

__all__ = ["make_models", "make_searcher", "open_models"]


def make_models(config: Config) -> tuple[Generator, PRM | None]:
    """Construct generator and PRM without loading anything.

    Raises:
        ConfigError: a backend does not exist, the models do not fit together, the PRM needs log-probabilities that the
            generator does not return, or `dtype` is not supported here.
    """
    return _made(resolve(config))


def _made(models: ResolvedModels) -> tuple[Generator, PRM | None]:
    check_models(models)
    check_dtypes(models)
    generator = models.generator.cls.from_config(models.config)
    prms = {prm.name: prm.cls.from_config(prm.config, generator) for prm in models.prms}
    for name, prm in prms.items():
        require_logprobs(generator, prm.top_logprobs, f"The PRM {name!r}")
    if len(prms) > 1:
        return generator, EnsemblePRM(prms, models.config.prm_combine)
    return generator, next(iter(prms.values()), None)


def make_searcher(config: Config) -> Searcher:
    """Construct the search method of a configuration.

    Raises:
        ConfigError: the method is unknown, a knob is invalid, or the method needs a PRM, or log-probabilities, that
            the configuration does not provide.
    """
    searcher = searcher_class(config.method).from_config(config)
    if searcher.uses_prm and not config.has_prm:
        raise ConfigError(
            f"method {config.method!r} needs a PRM, and prm_name is {config.prm_name!r}.",
            "Type: --prm-name judge, or the name of a PRM",
        )
    if searcher.top_logprobs:
        generator = resolve_generator(config).cls
        require_logprobs(generator, searcher.top_logprobs, f"method {config.method!r}")
    return searcher


@asynccontextmanager
async def open_models(config: Config) -> AsyncIterator[tuple[Generator, PRM | None]]:
    """Start generator and PRM, and close them at the end.

    The generator starts first, since two engines that start at the same time measure a GPU's free memory wrongly; on a
    CPU nothing is measured, and the PRM is loaded while the generator's engine starts in its own process.

    Scores of a PRM that depend on the rest of the batch are cached, so that equal steps have equal scores.

    Raises:
        TTScaleError: a model cannot be loaded, or memory does not suffice for both; `distribute` asks for replicas,
            which hold models of their own.
    """
    if config.distribute != "none":
        raise ConfigError(
            f"distribute is {config.distribute!r}; bench, compare and sweep search on replicas, nothing else does.",
            "Leave out distribute, or set it to none.",
        )
    models = resolve(config)
    generator, prm = _made(models)
    if prm is not None:
        prm = _with_score_cache(prm, config.prm_combine)
    require_memory(models)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(generator.close)
        if prm is None:
            await generator.start()
        else:
            stack.push_async_callback(prm.close)
            await _start_both(generator, prm, independent=all(each.weights for each in models.prms))
            require_logprobs(generator, prm.top_logprobs, f"The PRM {config.prm_name!r}")  # a server may return none
        yield generator, prm


async def _start_both(generator: Generator, prm: PRM, *, independent: bool) -> None:
    """Start both; an `independent` PRM, one with weights of its own, loads while the generator starts if possible."""
    if independent and await generator.launch():
        await gather_or_cancel([generator.start(), prm.start()])
    else:
        await generator.start()
        await prm.start()


def _with_score_cache(prm: PRM, combine: str) -> PRM:
    if isinstance(prm, EnsemblePRM):
        return EnsemblePRM({name: _with_score_cache(each, combine) for name, each in prm.members.items()}, combine)
    return CachedPRM(prm) if isinstance(prm, TokenPRM) and prm.batch_dependent else prm
