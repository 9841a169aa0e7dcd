"""The number types of all models of a run, before any is loaded: checked, recorded, and told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tt_scale.backends import WRITING, backends, engine_beside, prm_configs, weights_of
from tt_scale.config import Config
from tt_scale.config.runtime import UNSET_DTYPE
from tt_scale.engines.dtypes import TYPES, Place, check_dtype, place_of, resolve_dtype, slow_dtype

__all__ = [
    "ENGINES", "Loaded", "check_dtypes", "dtype_keys", "dtype_warnings", "generator_dtype", "loaded_models",
    "prm_dtypes",
]  # fmt: skip

ENGINES: Mapping[str, str] = {"vllm": "vllm", "huggingface": "huggingface", "trie": "huggingface"}
"""Backends of generators, and what loads their weights."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that an engine loads.

    Attributes:
        role: "generator" or "PRM".
        name: as the configuration has it.
        place: where it runs.
        quantization: what the configuration says of its weights.
        revision: on the hub; None is the newest.
    """

    role: str
    name: str
    place: Place
    quantization: str | None
    revision: str | None = None

    def dtype(self, asked: str | None, model: str | None = None) -> str:
        """Say in which type it computes.

        Args:
            asked: the configuration's `dtype`.
            model: folder or hub name to read instead of its name.
        """
        name = self.name if model is None else model
        return resolve_dtype(asked, self.place, name, self.quantization, self.revision)


def loaded_models(config: Config) -> list[Loaded]:
    """Name every model that our engines load for a run, the generator first.

    Raises:
        ConfigError: `prm_adapter` or `prm_args` do not say which PRM they mean.
        MissingExtraError: no engine is installed.
    """
    return _loaded_generator(config) + _loaded_prms(config)


def _loaded_generator(config: Config) -> list[Loaded]:
    engine = ENGINES.get(backends(config)[0])
    if engine is None:
        return []
    return [Loaded("generator", config.model_name, place_of(engine), config.quantization, config.model_revision)]


def _loaded_prms(config: Config) -> list[Loaded]:
    found = []
    for each in prm_configs(config):
        own = _prm_engine(each)
        names = weights_of(each) if own else []
        revisions = (each.prm_revision, each.prm_args.get("reference_revision"))  # of the second model that eurus has
        found += [
            Loaded("PRM", name, place_of(own, each.prm_device), each.prm_quantization, revision)
            for name, revision in zip(names, revisions, strict=False)
        ]
    return found


def _prm_engine(config: Config) -> str:
    """What loads the weights of one PRM; empty where that is not ours to say."""
    if config.prm == "eurus":
        asked = str(config.prm_args.get("engine", "auto"))
        return engine_beside(backends(config)[0]) if asked == "auto" else asked
    backend = backends(config)[0] if config.prm in ("judge", *WRITING) else config.prm
    return ENGINES.get(backend, "")


def generator_dtype(config: Config) -> str:
    """The type in which the generator computes; one of another package is given what the configuration says."""
    own = [each.dtype(config.dtype) for each in _loaded_generator(config)]
    return own[0] if own else config.dtype or UNSET_DTYPE


def prm_dtypes(config: Config) -> list[str]:
    """The types in which the PRMs compute that have weights of their own, each once."""
    return _once(each.dtype(config.dtype) for each in _loaded_prms(config))


def dtype_keys(config: Config) -> dict[str, str]:
    """What two runs must share of their types to be one: `dtype`, and `prm_dtype` where a PRM has another."""
    generator, prms = generator_dtype(config), prm_dtypes(config)
    return {"dtype": generator} | ({"prm_dtype": ", ".join(prms)} if set(prms) - {generator} else {})


def dtype_warnings(config: Config) -> list[str]:
    """Sentences about a type that was asked for and is slow here."""
    if config.dtype not in TYPES:
        return []
    return _once(told for each in loaded_models(config) if (told := _slow(each, config.dtype)))


def _slow(model: Loaded, asked: str | None) -> str:
    """As `slow_dtype`; quantized weights may leave no other type."""
    chosen = model.place.device == "cpu" and model.dtype("auto") == asked
    return "" if chosen else slow_dtype(asked, model.place)


def check_dtypes(config: Config) -> None:
    """Refuse a type that cannot be computed here, before anything is loaded.

    Raises:
        ConfigError: a device cannot compute it; the message names a type that it can.
    """
    if config.dtype in TYPES:
        for each in loaded_models(config):
            check_dtype(config.dtype, each.place)


def _once(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))
