"""Context length of a model by its `config.json`, and the value of `max_model_len` that follows from it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from tt_scale.config import Config
from tt_scale.engines.model_names import read_settings
from tt_scale.errors import ConfigError

__all__ = ["fitted", "fitted_to_model", "own_context"]

LENGTHS = (
    "max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "model_max_length", "max_sequence_length",
)  # fmt: skip
"""Keys of config.json that state the context length; the smallest value counts, as in vLLM."""

UNSCALED_ROPE = ("default", "llama3", "longrope", "su", "mrope", "proportional")
"""Rope types whose stated length already includes the scaling; the others multiply it by their factor."""

LOG = logging.getLogger("tt_scale")


def own_context(settings: Mapping[str, Any]) -> int | None:
    """Context length of a model.

    Args:
        settings: content of its config.json.

    Returns:
        Maximum number of tokens of prompt and solution together; None if it is not stated.
    """
    inner = settings.get("text_config")
    text = {**settings, **inner} if isinstance(inner, Mapping) else settings
    stated = [int(text[name]) for name in LENGTHS if isinstance(text.get(name), int | float) and text[name] > 0]
    if not stated:
        return None
    scaling = text.get("rope_parameters") or text.get("rope_scaling") or {}
    kind = scaling.get("rope_type") or scaling.get("type") or "default"
    if kind in UNSCALED_ROPE or not isinstance(scaling.get("factor"), int | float):
        return min(stated)
    before = scaling.get("original_max_position_embeddings") if kind == "yarn" else None
    return int((before or min(stated)) * scaling["factor"])


def fitted(config: Config, own: int | None) -> Config:
    """Set the context length of a configuration for its generator.

    The default is lowered, with a warning, for a model with a shorter context; None becomes the model's own.

    Args:
        config: the run's configuration.
        own: context length of the model; None if unknown.

    Raises:
        ConfigError: `max_model_len` was set to more than the model's context, or to null while that is unknown.
    """
    asked = config.max_model_len
    if asked is None and own is None:
        raise ConfigError(
            f"max_model_len is null, but the config.json of {config.model_name!r} states no context length.",
            "Type: --max-model-len 4096",
        )
    if own is None or (asked is not None and asked <= own):
        return config
    if asked is not None and "max_model_len" in config.model_fields_set:
        raise ConfigError(
            f"max_model_len is {asked}, but the context length of the model {config.model_name!r} is {own}.",
            f"Type: --max-model-len {own}",
        )
    if asked is not None:
        LOG.warning("max_model_len is lowered from %s to %s, the context length of %s.", asked, own, config.model_name)
    return config.model_copy(update={"max_model_len": own})


def fitted_to_model(config: Config, model: str) -> Config:
    """Like `fitted`, with the context length from the config.json of the generator's model.

    Args:
        config: the run's configuration.
        model: local folder or hub name.
    """
    settings: Mapping[str, Any] = {}
    with suppress(OSError, ValueError):
        settings = read_settings(model, config.model_revision)
    return fitted(config, own_context(settings))
