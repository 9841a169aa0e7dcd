"""Open the two models of a run, and close them on every way out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from tt_scale.backends import ENSEMBLE, backends, check_models, prm_configs, weights_of
from tt_scale.base_classes import PRM, Generator, Searcher
from tt_scale.config import Config
from tt_scale.core.concurrency import gather_or_cancel
from tt_scale.core.logprobs import require_logprobs
from tt_scale.engines.memory_check import require_memory
from tt_scale.engines.model_dtypes import check_dtypes
from tt_scale.errors import ConfigError
from tt_scale.prm.ensemble import EnsemblePRM
from tt_scale.prm.score_cache import RememberedPRM
from tt_scale.prm.token_prm import RowPRM
from tt_scale.registry import generator_class, prm_class, searcher_class

__all__ = ["make_models", "make_searcher", "open_models"]


def make_models(config: Config) -> tuple[Generator, PRM | None]:
    """Make both models without loading anything.

    Raises:
        ConfigError: a backend that does not exist, a pair that cannot work, or a `dtype` that cannot be computed here.
    """
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
        require_logprobs(generator, searcher.top_logprobs, f"method {config.method!r}")
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
        await gather_or_cancel([generator.start(), prm.start()])
    else:
        await generator.start()
        await prm.start()


def _remembering(prm: PRM, config: Config) -> PRM:
    if isinstance(prm, EnsemblePRM):
        members = {each.prm_name: _remembering(prm.members[each.prm_name], each) for each in prm_configs(config)}
        return EnsemblePRM(members, config.prm_combine)
    return RememberedPRM(prm) if isinstance(prm, RowPRM) and backends(config)[1] == "huggingface" else prm
