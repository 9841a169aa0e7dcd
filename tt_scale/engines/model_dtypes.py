"""Dtypes of all models of a run, determined before any is loaded: checks, records and warnings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tt_scale.backends import ENGINES, ResolvedModels
from tt_scale.config.runtime import UNSET_DTYPE
from tt_scale.engines.dtypes import TYPES, EngineDevice, check_dtype, engine_device, resolve_dtype, slow_dtype

__all__ = [
    "Loaded", "check_dtypes", "dtype_keys", "dtype_warnings", "generator_dtype", "loaded_models",
    "prm_dtypes",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that an engine loads.

    Attributes:
        role: "generator" or "PRM".
        name: name as configured.
        target: engine and device.
        quantization: configured quantization of its weights.
        revision: revision on the hub; None is the newest.
    """

    role: str
    name: str
    target: EngineDevice
    quantization: str | None
    revision: str | None = None

    def dtype(self, asked: str | None, model: str | None = None) -> str:
        """The dtype in which it computes.

        Args:
            asked: the configured `dtype`.
            model: folder or hub name to read instead of its name.
        """
        name = self.name if model is None else model
        return resolve_dtype(asked, self.target, name, self.quantization, self.revision)


def loaded_models(models: ResolvedModels) -> list[Loaded]:
    """All models that the built-in engines load for a run, the generator first."""
    return _loaded_generator(models) + _loaded_prms(models)


def _loaded_generator(models: ResolvedModels) -> list[Loaded]:
    quantization = models.config.quantization
    return [
        Loaded("generator", each.name, engine_device(each.engine), quantization, each.revision)
        for each in models.generator.weights
        if each.engine in ENGINES
    ]


def _loaded_prms(models: ResolvedModels) -> list[Loaded]:
    return [
        Loaded(
            "PRM",
            each.name,
            engine_device(each.engine, prm.config.prm_device),
            prm.config.prm_quantization,
            each.revision,
        )
        for prm in models.prms
        for each in prm.weights
        if each.engine in ENGINES
    ]


def generator_dtype(models: ResolvedModels) -> str:
    """Dtype of the generator; of one that no built-in engine loads, the configured dtype."""
    asked = models.config.dtype
    own = [each.dtype(asked) for each in _loaded_generator(models)]
    return own[0] if own else asked or UNSET_DTYPE


def prm_dtypes(models: ResolvedModels) -> list[str]:
    """Dtypes of the PRMs that have their own weights, without duplicates."""
    return _once(each.dtype(models.config.dtype) for each in _loaded_prms(models))


def dtype_keys(models: ResolvedModels) -> dict[str, str]:
    """Dtypes that are part of a run's identity: `dtype`, and `prm_dtype` if a PRM has another one."""
    generator, prms = generator_dtype(models), prm_dtypes(models)
    return {"dtype": generator} | ({"prm_dtype": ", ".join(prms)} if set(prms) - {generator} else {})


def dtype_warnings(models: ResolvedModels) -> list[str]:
    """Warnings about a configured dtype that is slow on this machine."""
    asked = models.config.dtype
    if asked not in TYPES:
        return []
    return _once(warning for each in loaded_models(models) if (warning := _slow(each, asked)))


def _slow(model: Loaded, asked: str | None) -> str:
    """Like `slow_dtype`, but silent if `auto` resolves to the same dtype, as for quantized weights."""
    chosen = model.target.device == "cpu" and model.dtype("auto") == asked
    return "" if chosen else slow_dtype(asked, model.target)


def check_dtypes(models: ResolvedModels) -> None:
    """Reject a dtype that a device does not support, before anything is loaded.

    Raises:
        ConfigError: a device does not support it; the message names a dtype that it supports.
    """
    if models.config.dtype in TYPES:
        for each in loaded_models(models):
            check_dtype(models.config.dtype, each.target)


def _once(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))
