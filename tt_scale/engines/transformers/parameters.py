"""Number of parameters of a model, for the estimate of FLOPs; also for quantized weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["count_parameters", "parameters_by_settings"]


def count_parameters(model: Any) -> int:
    """Count the parameters of a Transformers model, also where its weights are packed to a few bits."""
    count: int = model.num_parameters() + sum(
        [part.in_features * part.out_features for part in model.modules() if hasattr(part, "qweight")]
    )
    return count


def parameters_by_settings(settings: Mapping[str, Any], *, head: bool = True) -> int:
    """Count the parameters of the architecture that a config.json describes; nothing is loaded.

    Args:
        settings: content of config.json, or the settings that an engine made of it.
        head: whether the language-model head counts; one that shares the embeddings' weights adds nothing.

    Returns:
        0 where Transformers does not know the architecture.
    """
    import torch
    from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

    shape = {key: value for key, value in settings.items() if key not in ("model_type", "quantization_config")}
    try:
        with torch.device("meta"):
            config = AutoConfig.for_model(settings["model_type"], **shape)
            return count_parameters((AutoModelForCausalLM if head else AutoModel).from_config(config))
    except Exception:  # noqa: BLE001  (transformers raises whatever its many architectures raise)
        return 0
