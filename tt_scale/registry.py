"""Registry of classes by name: built-in ones, and those of other packages through entry points.

A package adds a method, a PRM, an adapter or a generator by declaring an entry point in one of `tt_scale.searchers`,
`tt_scale.prms`, `tt_scale.prm_adapters`, `tt_scale.generators`. A class is imported only when it is looked up.
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
            "recorded": "tt_scale.generator.recorded:RecordedGenerator",
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
            "recorded": "tt_scale.prm.recorded:RecordedPRM",
            "simulated": "tt_scale.prm.simulated:SimulatedPRM",
            "thinkprm": "tt_scale.prm.generative.thinkprm:ThinkPRM",
            "vllm": "tt_scale.prm.vllm:VLLMPRM",
        },
    }
)


def available(kind: str) -> dict[str, str]:
    """All names of a kind ("searchers", "prms", "prm_adapters", "generators") with the import path of each class.

    Sorted by name; a built-in class takes precedence over one of another package with the same name.
    """
    outside = {entry.name: entry.value for entry in _outside(kind)}
    return dict(sorted({**outside, **BUILT_IN[kind]}.items()))


def searcher_class(name: str) -> type[Searcher]:
    """Look up a search method by name.

    Raises:
        ConfigError: no method has that name, or it cannot be imported.
    """
    return cast("type[Searcher]", load("searchers", name, "method", Searcher))


def prm_class(name: str) -> type[PRM]:
    """Look up a PRM backend by name; errors as in `searcher_class`."""
    return cast("type[PRM]", load("prms", name, "prm", PRM))


def generator_class(name: str) -> type[Generator]:
    """Look up a generator backend by name; errors as in `searcher_class`."""
    return cast("type[Generator]", load("generators", name, "generator", Generator))


def family_backend(model: str) -> str:
    """The PRM backend for a model's family, by the prefixes in `PRM.names`; empty if none matches.

    Classes that cannot be imported are skipped.
    """
    short = PurePath(model).name.lower()
    built_in_first = [*BUILT_IN["prms"], *available("prms")]
    return next((backend for backend in built_in_first if short.startswith(_names_of(backend))), "")


def _names_of(backend: str) -> tuple[str, ...]:
    try:
        return prm_class(backend).names
    except ConfigError:
        return ()


def is_own_name(kind: str, name: str) -> bool:
    """Whether a model name is the name of a backend itself ("judge", "simulated").

    Args:
        kind: "generators" or "prms".
        name: `model_name` or `prm_name`.

    Raises:
        ConfigError: a backend of that name cannot be imported.
    """
    if name not in BUILT_IN[kind] and name not in available(kind):
        return False
    cls = generator_class(name) if kind == "generators" else prm_class(name)
    return cls.own_name == name


def own_names(kind: str) -> list[str]:
    """All names for which `is_own_name` holds, sorted; classes that cannot be imported are left out."""
    names = []
    for name in available(kind):
        with suppress(ConfigError):
            names += [name] if is_own_name(kind, name) else []
    return names


def own_knobs(method: str) -> list[str]:
    """Knobs of a method that `method_args` sets because no configuration key has their name; sorted."""
    return sorted({field.name for field in fields(searcher_class(method))} - set(Config.model_fields))  # type: ignore[arg-type]


def summary(cls: type[Any]) -> str:
    """One-line description of a class: its `summary`, or the first line of its docstring."""
    return str(getattr(cls, "summary", "") or (cls.__doc__ or "").strip().splitlines()[0])


def load(kind: str, name: str, key: str, contract: type[Any]) -> type[Any]:
    """Load a class by name.

    Args:
        kind: "searchers", "generators", "prms" or "prm_adapters".
        name: name of an entry point or of a built-in class, or `module:class`.
        key: configuration key that holds the name, for the error message.
        contract: required base class.

    Raises:
        ConfigError: the name does not exist, or its class cannot be imported or does not fulfil the contract.
    """
    import_path = _import_path(kind, name, key)
    module, _, attribute = import_path.partition(":")
    try:
        cls = getattr(import_module(module), attribute)
    except Exception as error:
        raise ConfigError(f"{key} {name!r} cannot be loaded from {import_path!r}: {error}.") from error
    fault = _fault(cls, contract)
    if fault:
        raise ConfigError(f"{key} {name!r} is {import_path!r}, which {fault}.")
    return cast("type[Any]", cls)


def _outside(kind: str) -> tuple[EntryPoint, ...]:
    return _entry_points(f"tt_scale.{kind}", tuple(sys.path))


@lru_cache(maxsize=32)
def _entry_points(group: str, path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """Read the metadata of all installed packages, which takes milliseconds, once for each state of `sys.path`."""
    return tuple(entry_points(group=group))


def _import_path(kind: str, name: str, key: str) -> str:
    """Import path of a class. Built-in names come first, so that other packages' metadata is read only if needed."""
    if name in BUILT_IN[kind]:
        return BUILT_IN[kind][name]
    names = available(kind)
    if name not in names and ":" not in name:
        raise ConfigError(f"{key} is {name!r}, which does not exist.", nearest(name, names))
    return names.get(name, name)


def _fault(cls: Any, contract: type[Any]) -> str:
    """Describe how a class violates its contract; empty if it does not."""
    if not (isinstance(cls, type) and issubclass(cls, contract)):
        return f"is no {contract.__name__}"
    if inspect.isabstract(cls):
        return f"lacks {', '.join(sorted(getattr(cls, '__abstractmethods__', ())))}"
    if contract is Searcher and not is_dataclass(cls):
        return "is no dataclass; its knobs are its fields"
    return ""
