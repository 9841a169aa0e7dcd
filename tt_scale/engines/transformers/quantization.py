"""Quantization on Transformers: the configured method is applied or refused, never ignored."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from tt_scale.config import Config
from tt_scale.engines.dtypes import engine_device, resolve_dtype
from tt_scale.engines.model_names import at_revision
from tt_scale.engines.transformers.loading import dtype_named
from tt_scale.errors import ConfigError

__all__ = ["quantization"]

BITS = {"bitsandbytes": 4, "bnb-4bit": 4, "bnb-8bit": 8}
"""Names under which plain weights are packed while they are loaded, and into how many bits."""


def quantization(config: Config, source: str, *, prm: bool = False) -> dict[str, Any]:
    """Arguments for quantization at load, or a check that the weights are quantized as configured.

    Args:
        config: the run's configuration.
        source: folder or hub name of the model.
        prm: whether the model is the PRM.

    Returns:
        Keyword arguments of `from_pretrained`; empty if the weights are loaded as they are.

    Raises:
        ConfigError: the configured quantization is not supported here.
    """
    key, asked, name = "quantization", config.quantization, config.model_name
    if prm:
        key, asked, name = "prm_quantization", config.prm_quantization, config.prm_name
    if asked is None:
        return {}
    revision = config.prm_revision if prm else config.model_revision
    method = _method_of_weights(source, config.trust_remote_code, revision)
    if method and (asked.startswith(method) or (asked in BITS and method == "bitsandbytes")):
        return {}
    if asked in BITS and not method:
        target = engine_device("huggingface", config.prm_device if prm else None)
        dtype = resolve_dtype(config.dtype, target, source, revision=revision)
        return {"quantization_config": _bitsandbytes(key, asked, dtype)}
    raise ConfigError(
        f"{key} is {asked!r}, but the weights of {name!r} are "
        f"{'quantized by ' + method if method else 'not quantized'}.",
        f"Leave it out, name such a checkpoint, or quantize plain weights: {', '.join(BITS)}",
    )


def _method_of_weights(source: str, trust_remote_code: bool, revision: str | None) -> str:
    from transformers import AutoConfig

    settings = AutoConfig.from_pretrained(source, trust_remote_code=trust_remote_code, **at_revision(revision))
    found = getattr(settings, "quantization_config", {})
    method = found.get("quant_method", "") if isinstance(found, dict) else getattr(found, "quant_method", "")
    return str(getattr(method, "value", method) or "")


def _bitsandbytes(key: str, asked: str, dtype: str) -> Any:
    if find_spec("bitsandbytes") is None:
        raise ConfigError(f"{key} is {asked!r}, and bitsandbytes is not installed.", "Type: pip install bitsandbytes")
    from transformers import BitsAndBytesConfig

    if BITS[asked] == 8:
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_compute_dtype=dtype_named(dtype), bnb_4bit_quant_type="nf4")
