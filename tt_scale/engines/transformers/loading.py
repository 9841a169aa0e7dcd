"""Loading of Transformers checkpoints: device, dtype, and error messages."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tt_scale.engines.dtypes import EngineDevice, resolve_dtype
from tt_scale.engines.load_errors import advice, sentence
from tt_scale.engines.scratch import place_caches
from tt_scale.errors import ConfigError, MissingExtraError, TTScaleError

__all__ = [
    "best_device",
    "dtype_named",
    "explained",
    "free_memory",
    "gpu_failed",
    "placement",
    "quiet_torch",
    "require_torch",
]


def require_torch(purpose: str) -> None:
    """Import what runs a checkpoint.

    Raises:
        MissingExtraError: torch or transformers is not installed.
    """
    quiet_torch()
    place_caches()
    try:
        import torch  # noqa: F401
        import transformers  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(error.name or "transformers", "hf", purpose) from None


def quiet_torch() -> None:
    """Silence PyTorch's message about an unused CUDA toolkit: "No CUDA runtime is found"."""
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)


def best_device() -> Any:
    """The first CUDA device, or the CPU."""
    import torch

    return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")


def dtype_named(name: str) -> Any:
    """The torch dtype of a name of `dtypes.TYPES`."""
    import torch

    return getattr(torch, name)


def placement(dtype: str | None, model: str, device: str | None = None, revision: str | None = None) -> dict[str, Any]:
    """Return dtype and device as arguments of `from_pretrained`; quantized weights must be loaded on their device.

    Args:
        dtype: as the configuration has it.
        model: folder or hub name.
        device: "cpu", "cuda:1"; None is the best there is.
        revision: of the model on the hub; None is the newest.

    Raises:
        ConfigError: there is no such device.
    """
    import transformers
    from packaging.version import Version

    key = "dtype" if Version(transformers.__version__) >= Version("4.56") else "torch_dtype"
    where = best_device() if device is None else _device_named(device)
    chosen = resolve_dtype(dtype, EngineDevice("huggingface", str(where)), model, revision=revision)
    return {key: dtype_named(chosen)} | ({"device_map": {"": where.index or 0}} if where.type == "cuda" else {})


def _device_named(name: str) -> Any:
    import torch

    found = torch.cuda.device_count()
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"The device {name!r} does not exist.", "Allowed: cpu, cuda:0, cuda:1, ...") from None
    if device.type not in ("cpu", "cuda") or (device.type == "cuda" and (device.index or 0) >= found):
        raise ConfigError(f"The device is {name!r}; there are the CPU and {found} CUDA devices.")
    return device


@contextmanager
def explained(what: str, kind: type[TTScaleError]) -> Iterator[None]:
    """Turn whatever a loader raises into an error for people.

    Args:
        what: begins the message: "The model 'x'".
        kind: of the error.
    """
    try:
        with _quietly():
            yield
    except TTScaleError:
        raise
    except Exception as error:  # (transformers raises whatever its many loaders raise)
        raise kind(f"{what} cannot be loaded: {sentence(error)}", advice(error)) from error


@contextmanager
def _quietly() -> Iterator[None]:
    """Hide progress bars and the report of unexpected weights.

    The report lists a PRM's head; missing weights are checked separately.
    """
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def gpu_failed(error: Exception) -> bool:
    """Return whether an error leaves the device unusable; running out of memory does not."""
    message = str(error)
    return "CUDA error" in message and not any(sign in message for sign in ("out of memory", "ALLOC_FAILED"))


def free_memory() -> None:
    """Release the memory that torch has cached back to the device."""
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
