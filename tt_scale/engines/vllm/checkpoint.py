"""Checks of a model's files before an engine is started."""

from __future__ import annotations

from pathlib import Path

from tt_scale.errors import GeneratorError

__all__ = ["check_weights"]

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
