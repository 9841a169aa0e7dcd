"""Names to classes: ours, and those that other packages bring through entry points.

A package adds a method, a PRM or a generator by declaring an entry point in one of `tt_scale.searchers`,
`tt_scale.prms`, `tt_scale.generators`. Nothing is imported before it is asked for by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any, cast

from tt_scale.base_classes import PRM, Generator, Searcher
from tt_scale.errors import ConfigError, nearest

__all__ = ["available", "generator_class", "prm_class", "searcher_class", "summary"]

BUILT_IN: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "searchers": {
            "beam_search": "tt_scale.searcher.beam_search:BeamSearch",
            "best_of_n": "tt_scale.searcher.best_of_n:BestOfN",
            "collective": "tt_scale.searcher.collective:CollectiveBacktrack",
            "independent": "tt_scale.searcher.independent:IndependentBacktrack",
        },
        "generators": {
            "huggingface": "tt_scale.generator.huggingface:HuggingFaceGenerator",
            "simulated": "tt_scale.generator.simulated:SimulatedGenerator",
            "vllm": "tt_scale.generator.vllm:VLLMGenerator",
        },
        "prms": {
            "huggingface": "tt_scale.prm.huggingface:HuggingFacePRM",
            "judge": "tt_scale.prm.judge:JudgePRM",
            "simulated": "tt_scale.prm.simulated:SimulatedPRM",
            "vllm": "tt_scale.prm.vllm:VLLMPRM",
        },
    }
)


def available(kind: str) -> dict[str, str]:
    """Every name of a kind ("searchers", "prms", "generators") and where its class lives, sorted by name."""
    outside = {entry.name: entry.value for entry in _outside(kind)}
    return dict(sorted({**outside, **BUILT_IN[kind]}.items()))


def searcher_class(name: str) -> type[Searcher]:
    """Find a search method by name.

    Raises:
        ConfigError: there is none of that name, or it cannot be imported.
    """
    return cast("type[Searcher]", _load("searchers", name, "method", Searcher))


def prm_class(name: str) -> type[PRM]:
    """Find a PRM backend by name; errors as in `searcher_class`."""
    return cast("type[PRM]", _load("prms", name, "prm", PRM))


def generator_class(name: str) -> type[Generator]:
    """Find a generator backend by name; errors as in `searcher_class`."""
    return cast("type[Generator]", _load("generators", name, "generator", Generator))


def summary(cls: type[Any]) -> str:
    """One line about a class: its `summary`, or the first line of its docstring."""
    return str(getattr(cls, "summary", "") or (cls.__doc__ or "").strip().splitlines()[0])


def _outside(kind: str) -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=f"tt_scale.{kind}"))


def _load(kind: str, name: str, key: str, contract: type[Any]) -> type[Any]:
    names = available(kind)
    if name not in names:
        raise ConfigError(f"{key} is {name!r}, which does not exist.", nearest(name, names))
    module, _, attribute = names[name].partition(":")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{key} {name!r} cannot be loaded from {names[name]!r}: {error}.") from error
    if not (isinstance(found, type) and issubclass(found, contract)):
        raise ConfigError(f"{key} {name!r} is {names[name]!r}, which is no {contract.__name__}.")
    return found
