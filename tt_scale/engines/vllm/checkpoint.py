"""Check of a model's folder before an engine is started."""

from __future__ import annotations

from pathlib import Path

from tt_scale.errors import GeneratorError

__all__ = ["check_weights"]

WEIGHTS = ("*.safetensors", "*.bin", "*.pt", "*.pth")


def check_weights(model: str) -> None:
    """Check that a model's folder contains config.json and weights; hub names pass.

    Raises:
        GeneratorError: the folder lacks one of them.
    """
    folder = Path(model)
    if not folder.is_dir():
        return
    if not (folder / "config.json").is_file():
        raise GeneratorError(
            f"The model folder {model!r} contains no config.json.", "Use a folder in the Hugging Face format."
        )
    if not any(next(folder.glob(pattern), None) for pattern in WEIGHTS):
        raise GeneratorError(
            f"The model folder {model!r} contains no weights ({', '.join(WEIGHTS)}).", "Copy the weights into it."
        )
