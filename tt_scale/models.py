"""Open the two models of a run, and close them on every way out."""

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
    """Make both models without loading anything.

    Raises:
        ConfigError: a backend that does not exist, a pair that cannot work, a PRM that needs log-probabilities beside
            a generator that returns none, or a `dtype` that cannot be computed here.
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
    """Make the method that a configuration names.

    Raises:
        ConfigError: an unknown method, a bad knob, a method that needs a PRM without one, or one that needs
            log-probabilities from a generator that tells none.
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
    """Start both models and close them at the end.

    The generator starts first, since two engines that start at once mis-measure a GPU's memory; on a CPU nothing is
    measured, and while the generator's engine starts in its process, the PRM is loaded.

    A PRM whose scores depend on what shares their batch is remembered, so that equal steps have equal scores.

    Raises:
        TTScaleError: a model cannot be loaded, or memory has no room for both.
    """
    models = resolve(config)
    generator, prm = _made(models)
    if prm is not None:
        prm = _remembering(prm, config.prm_combine)
    require_memory(models)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(generator.close)
        if prm is None:
            await generator.start()
        else:
            stack.push_async_callback(prm.close)
            await _start_both(generator, prm, apart=all(each.weights for each in models.prms))
            require_logprobs(generator, prm.top_logprobs, f"The PRM {config.prm_name!r}")  # a server may return none
        yield generator, prm


async def _start_both(generator: Generator, prm: PRM, *, apart: bool) -> None:
    """Start both; a PRM that is `apart`, with weights of its own, does not wait for the generator where it need not."""
    if apart and await generator.launch():
        await gather_or_cancel([generator.start(), prm.start()])
    else:
        await generator.start()
        await prm.start()


def _remembering(prm: PRM, combine: str) -> PRM:
    if isinstance(prm, EnsemblePRM):
        return EnsemblePRM({name: _remembering(each, combine) for name, each in prm.members.items()}, combine)
    return CachedPRM(prm) if isinstance(prm, TokenPRM) and prm.batch_dependent else prm
