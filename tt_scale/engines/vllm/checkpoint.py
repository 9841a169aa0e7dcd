"""What can be known of a model beside its engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tt_scale.errors import GeneratorError

__all__ = ["check_weights", "count_parameters"]

WEIGHTS = ("*.safetensors", "*.bin", "*.pt", "*.pth")


def check_weights(model: str) -> None:
    """Look for weights before an engine is started for nothing.

    Raises:
        GeneratorError: the model is a folder without configuration or weights.
    """
    folder = Path(model)
    if not folder.is_dir():
        return
    if not (folder / "config.json").is_file():
        raise GeneratorError(f"The model folder {model!r} holds no config.json.", "Give a Hugging Face model folder.")
    if not any(next(folder.glob(pattern), None) for pattern in WEIGHTS):
        raise GeneratorError(
            f"The model folder {model!r} holds no weights ({', '.join(WEIGHTS)}).", "Copy the weights into it."
        )


def count_parameters(llm: Any) -> int:
    """Count a model's parameters by its architecture, whatever its quantization; 0 where that is not possible."""
    import torch
    from transformers import AutoModelForCausalLM

    config = type(llm.model_config.hf_config).from_dict(llm.model_config.hf_config.to_dict())
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    try:
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
    except Exception:  # noqa: BLE001  (an architecture that transformers does not know)
        return 0
    return sum(parameter.numel() for parameter in model.parameters())
