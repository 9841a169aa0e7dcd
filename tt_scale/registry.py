"""Names to classes: ours, and those that other packages bring through entry points.

A package adds a method, a PRM, an adapter or a generator by declaring an entry point in one of `tt_scale.searchers`,
`tt_scale.prms`, `tt_scale.prm_adapters`, `tt_scale.generators`. Nothing is imported before it is asked for by name.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import PurePath
from types import MappingProxyType
from typing import Any, cast

from tt_scale.base_classes import PRM, Generator, Searcher
from tt_scale.config import Config
from tt_scale.errors import ConfigError, nearest

__all__ = [
    "available",
    "family_backend",
    "generator_class",
    "is_own_name",
    "load",
    "own_knobs",
    "own_names",
    "prm_class",
    "searcher_class",
    "summary",
]

BUILT_IN: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "searchers": {
            "beam_search": "tt_scale.searcher.beam_search:BeamSearch",
            "best_first": "tt_scale.searcher.best_first:BestFirst",
            "best_of_n": "tt_scale.searcher.best_of_n:BestOfN",
            "collective": "tt_scale.searcher.collective_backtrack:CollectiveBacktrack",
            "deepconf": "tt_scale.searcher.deepconf:DeepConf",
            "dora": "tt_scale.searcher.dora:DORA",
            "dvts": "tt_scale.searcher.dvts:DVTS",
            "greedy": "tt_scale.searcher.greedy:Greedy",
            "gumbel": "tt_scale.searcher.gumbel:Gumbel",
            "independent": "tt_scale.searcher.independent_backtrack:IndependentBacktrack",
            "mcts": "tt_scale.searcher.mcts:MCTS",
            "particle_filter": "tt_scale.searcher.particle_filter:ParticleFilter",
            "particle_gibbs": "tt_scale.searcher.particle_gibbs:ParticleGibbs",
            "power_backtrack": "tt_scale.searcher.power_backtrack:PowerBacktrack",
            "rebase": "tt_scale.searcher.rebase:Rebase",
            "self_consistency": "tt_scale.searcher.self_consistency:SelfConsistency",
            "subpool": "tt_scale.searcher.subpool:Subpool",
        },
        "generators": {
            "huggingface": "tt_scale.generator.huggingface:HuggingFaceGenerator",
            "openai": "tt_scale.generator.openai.generator:OpenAIGenerator",
            "simulated": "tt_scale.generator.simulated:SimulatedGenerator",
            "trie": "tt_scale.generator.trie.generator:TrieGenerator",
            "vllm": "tt_scale.generator.vllm:VLLMGenerator",
        },
        "prm_adapters": {
            "binary-tag": "tt_scale.prm.adapters.binary_tag:BinaryTag",
            "math-psa": "tt_scale.prm.adapters.binary_tag:MathPSA",
            "math-shepherd": "tt_scale.prm.adapters.binary_tag:MathShepherd",
            "outcome": "tt_scale.prm.adapters.outcome:Outcome",
            "pure": "tt_scale.prm.adapters.token_classifier:Pure",
            "qwen-math": "tt_scale.prm.adapters.qwen_math:QwenMath",
            "rlhflow": "tt_scale.prm.adapters.rlhflow:RLHFlow",
            "skywork": "tt_scale.prm.adapters.skywork:Skywork",
            "token-classifier": "tt_scale.prm.adapters.token_classifier:TokenClassifier",
            "versa": "tt_scale.prm.adapters.binary_tag:VersaPRM",
        },
        "prms": {
            "confidence": "tt_scale.prm.confidence:ConfidencePRM",
            "eurus": "tt_scale.prm.implicit.eurus:EurusPRM",
            "genprm": "tt_scale.prm.generative.genprm:GenPRM",
            "generator": "tt_scale.prm.generator_engine:GeneratorEnginePRM",
            "http": "tt_scale.prm.server:PoolingServerPRM",
            "huggingface": "tt_scale.prm.huggingface:HuggingFacePRM",
            "judge": "tt_scale.prm.judge:JudgePRM",
            "simulated": "tt_scale.prm.simulated:SimulatedPRM",
            "thinkprm": "tt_scale.prm.generative.thinkprm:ThinkPRM",
            "vllm": "tt_scale.prm.vllm:VLLMPRM",
        },
    }
)


def available(kind: str) -> dict[str, str]:
    """Every name of a kind ("searchers", "prms", "prm_adapters", "generators") and where its class lives.

    Sorted by name; where another package uses a name of ours, ours wins.
    """
    outside = {entry.name: entry.value for entry in _outside(kind)}
    return dict(sorted({**outside, **BUILT_IN[kind]}.items()))


def searcher_class(name: str) -> type[Searcher]:
    """Find a search method by name.

    Raises:
        ConfigError: there is none of that name, or it cannot be imported.
    """
    return cast("type[Searcher]", load("searchers", name, "method", Searcher))


def prm_class(name: str) -> type[PRM]:
    """Find a PRM backend by name; errors as in `searcher_class`."""
    return cast("type[PRM]", load("prms", name, "prm", PRM))


def generator_class(name: str) -> type[Generator]:
    """Find a generator backend by name; errors as in `searcher_class`."""
    return cast("type[Generator]", load("generators", name, "generator", Generator))


def family_backend(model: str) -> str:
    """Name the PRM backend that asks a model its own way, by the model's name (`PRM.names`); empty where none does.

    A class that cannot be imported finds nothing.
    """
    short = PurePath(model).name.lower()
    ours_first = [*BUILT_IN["prms"], *available("prms")]
    return next((backend for backend in ours_first if short.startswith(_names_of(backend))), "")


def _names_of(backend: str) -> tuple[str, ...]:
    try:
        return prm_class(backend).names
    except ConfigError:
        return ()


def is_own_name(kind: str, name: str) -> bool:
    """Whether a name given as a model's is the name of a backend itself ("judge", "simulated").

    Args:
        kind: "generators" or "prms".
        name: `model_name` or `prm_name`.

    Raises:
        ConfigError: a backend of that name cannot be imported.
    """
    if name not in BUILT_IN[kind] and name not in available(kind):
        return False
    found = generator_class(name) if kind == "generators" else prm_class(name)
    return found.own_name == name


def own_names(kind: str) -> list[str]:
    """Every name for which that is so, sorted, those of classes that cannot be imported left out."""
    found = []
    for name in available(kind):
        with suppress(ConfigError):
            found += [name] if is_own_name(kind, name) else []
    return found


def own_knobs(method: str) -> list[str]:
    """The knobs of a method that are no keys of the configuration: those that `method_args` sets; sorted."""
    return sorted({field.name for field in fields(searcher_class(method))} - set(Config.model_fields))  # type: ignore[arg-type]


def summary(cls: type[Any]) -> str:
    """One line about a class: its `summary`, or the first line of its docstring."""
    return str(getattr(cls, "summary", "") or (cls.__doc__ or "").strip().splitlines()[0])


def load(kind: str, name: str, key: str, contract: type[Any]) -> type[Any]:
    """Find a class by name.

    Args:
        kind: "searchers", "generators", "prms" or "prm_adapters".
        name: that an entry point or this module gives it, or `module:class`.
        key: of the configuration that holds the name, for the message.
        contract: that it must be a subclass of.

    Raises:
        ConfigError: there is none of that name, it cannot be imported, or it does not fulfil the contract.
    """
    place = _place(kind, name, key)
    module, _, attribute = place.partition(":")
    try:
        found = getattr(import_module(module), attribute)
    except Exception as error:
        raise ConfigError(f"{key} {name!r} cannot be loaded from {place!r}: {error}.") from error
    fault = _fault(found, contract)
    if fault:
        raise ConfigError(f"{key} {name!r} is {place!r}, which {fault}.")
    return cast("type[Any]", found)


def _outside(kind: str) -> tuple[EntryPoint, ...]:
    return _entry_points(f"tt_scale.{kind}", tuple(sys.path))


@lru_cache(maxsize=32)
def _entry_points(group: str, path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """Read the metadata of all installed packages, which takes milliseconds, once for each state of `sys.path`."""
    return tuple(entry_points(group=group))


def _place(kind: str, name: str, key: str) -> str:
    """Where the class of a name lives. Ours win, so the metadata of other packages is read for other names only."""
    if name in BUILT_IN[kind]:
        return BUILT_IN[kind][name]
    names = available(kind)
    if name not in names and ":" not in name:
        raise ConfigError(f"{key} is {name!r}, which does not exist.", nearest(name, names))
    return names.get(name, name)


def _fault(found: Any, contract: type[Any]) -> str:
    """Say why a class cannot be what its entry point claims; empty where it can."""
    if not (isinstance(found, type) and issubclass(found, contract)):
        return f"is no {contract.__name__}"
    if inspect.isabstract(found):
        return f"lacks {', '.join(sorted(getattr(found, '__abstractmethods__', ())))}"
    if contract is Searcher and not is_dataclass(found):
        return "is no dataclass; its knobs are its fields"
    return ""
