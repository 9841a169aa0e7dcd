"""Dtypes of all models of a run, determined before any is loaded: checks, records and warnings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tt_scale.backends import ENGINES, ResolvedModels
from tt_scale.config.runtime import UNSET_DTYPE
from tt_scale.engines.dtypes import TYPES, Place, check_dtype, place_of, resolve_dtype, slow_dtype

__all__ = [
    "Loaded", "check_dtypes", "dtype_keys", "dtype_warnings", "generator_dtype", "loaded_models",
    "prm_dtypes",
]  # fmt: skip


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


def loaded_models(models: ResolvedModels) -> list[Loaded]:
    """Name every model that our engines load for a run, the generator first."""
    return _loaded_generator(models) + _loaded_prms(models)


def _loaded_generator(models: ResolvedModels) -> list[Loaded]:
    quantization = models.config.quantization
    return [
        Loaded("generator", each.name, place_of(each.engine), quantization, each.revision)
        for each in models.generator.weights
        if each.engine in ENGINES
    ]


def _loaded_prms(models: ResolvedModels) -> list[Loaded]:
    return [
        Loaded(
            "PRM", each.name, place_of(each.engine, prm.config.prm_device), prm.config.prm_quantization, each.revision
        )
        for prm in models.prms
        for each in prm.weights
        if each.engine in ENGINES
    ]


def generator_dtype(models: ResolvedModels) -> str:
    """The type in which the generator computes; one of another package is given what the configuration says."""
    asked = models.config.dtype
    own = [each.dtype(asked) for each in _loaded_generator(models)]
    return own[0] if own else asked or UNSET_DTYPE


def prm_dtypes(models: ResolvedModels) -> list[str]:
    """The types in which the PRMs compute that have weights of their own, each once."""
    return _once(each.dtype(models.config.dtype) for each in _loaded_prms(models))


def dtype_keys(models: ResolvedModels) -> dict[str, str]:
    """What two runs must share of their types to be one: `dtype`, and `prm_dtype` where a PRM has another."""
    generator, prms = generator_dtype(models), prm_dtypes(models)
    return {"dtype": generator} | ({"prm_dtype": ", ".join(prms)} if set(prms) - {generator} else {})


def dtype_warnings(models: ResolvedModels) -> list[str]:
    """Sentences about a type that was asked for and is slow here."""
    asked = models.config.dtype
    if asked not in TYPES:
        return []
    return _once(told for each in loaded_models(models) if (told := _slow(each, asked)))


def _slow(model: Loaded, asked: str | None) -> str:
    """As `slow_dtype`; quantized weights may leave no other type."""
    chosen = model.place.device == "cpu" and model.dtype("auto") == asked
    return "" if chosen else slow_dtype(asked, model.place)


def check_dtypes(models: ResolvedModels) -> None:
    """Refuse a type that cannot be computed here, before anything is loaded.

    Raises:
        ConfigError: a device cannot compute it; the message names a type that it can.
    """
    if models.config.dtype in TYPES:
        for each in loaded_models(models):
            check_dtype(models.config.dtype, each.place)


def _once(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))
