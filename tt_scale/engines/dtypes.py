"""The dtype in which a model computes, from the key `dtype` and the device.

An explicit type is used as given. On CUDA `auto` is the checkpoint's type, and the default is float16. On a CPU both
are the fastest type of the processor: 16 bits where it multiplies them natively, else float32, which is then three to
ten times faster than 16 bits.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from tt_scale.config.runtime import UNSET_DTYPE
from tt_scale.engines.model_names import read_settings, resolve_model
from tt_scale.errors import ConfigError, TTScaleError

__all__ = [
    "TYPES", "Place", "check_dtype", "fast_types", "fastest_type", "place_of", "resolve_dtype", "slow_dtype",
]  # fmt: skip

TYPES = ("bfloat16", "float16", "float32")
EMULATED = ("AVX512_CORE", "AVX512_CORE_VNNI")
"""Values of ONEDNN_MAX_CPU_ISA under which torch says that it has bfloat16 products, and oneDNN emulates them."""

LEAST_TOKENS = 64
"""Length of a text from which on torch packs keys for a product of 16 bits, which some settings cannot."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a model runs.

    Attributes:
        engine: "vllm" or "huggingface".
        device: "cpu", "cuda", "cuda:1"; "other" for an accelerator that only vLLM knows.
    """

    engine: str
    device: str

    @property
    def on_cuda(self) -> bool:
        """Whether it is a CUDA device."""
        return self.device.startswith("cuda")


def place_of(engine: str, device: str | None = None) -> Place:
    """Find out where an engine puts a model.

    Args:
        engine: "vllm" or "huggingface".
        device: that was asked for: "cpu", "cuda:1"; None is the engine's choice.
    """
    if engine == "vllm" and _vllm_on_cpu():
        return Place(engine, "cpu")
    torch = _torch()
    if torch is not None and torch.cuda.is_available():
        return Place(engine, device or "cuda:0")
    return Place(engine, "cpu" if engine != "vllm" else "other")


def resolve_dtype(
    dtype: str | None, place: Place, model: str, quantization: str | None = None, revision: str | None = None
) -> str:
    """Say in which type a model computes.

    Args:
        dtype: the configuration's.
        place: where the model runs.
        model: its name, folder or hub name; config.json is read where the type depends on it, and only for `auto` on
            CUDA fetched. Empty for none.
        quantization: what the configuration says of its weights.
        revision: of the model on the hub; None is the newest.

    Returns:
        One of `TYPES`; "auto" only on an accelerator of which nothing is known here.
    """
    if dtype in TYPES:
        return str(dtype)
    if place.device == "cpu":
        packed = place.engine == "vllm" and (
            quantization or "quantization_config" in _settings(model, revision, local=True)
        )
        return "bfloat16" if packed else fastest_type()  # vLLM unpacks quantized weights to 16 bits
    if dtype is None or not place.on_cuda:
        return dtype or UNSET_DTYPE
    stored = _stored_type(_settings(model, revision))
    return UNSET_DTYPE if stored == "bfloat16" and not _card_has_bfloat16(place.device) else stored


@lru_cache(maxsize=1)
def fast_types() -> tuple[str, ...]:
    """Name the 16-bit types in which this processor computes faster than in float32, the best first.

    torch says that it has bfloat16 products on every processor with AVX-512. Without native ones they are emulated, at
    a third of the speed of float32. float16 pays with AMX alone: AVX512-FP16 took 0.7 to 2.3 times as long as float32.
    Variables that hold torch or oneDNN to older instructions (ATEN_CPU_CAPABILITY, ONEDNN_MAX_CPU_ISA) count.
    """
    torch = _torch()
    if torch is None:
        return ()
    asked = {"bfloat16": "_is_mkldnn_bf16_supported", "float16": "_is_mkldnn_fp16_supported"}
    having = [name for name, question in asked.items() if _answer(torch.ops.mkldnn, question)]
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return tuple(having)  # there torch asks for native instructions
    native = _native_types(torch)
    return tuple([name for name in having if name in native])


def fastest_type() -> str:
    """The type in which this processor computes fastest."""
    return (*fast_types(), "float32")[0]


def slow_dtype(dtype: str | None, place: Place) -> str:
    """Give a sentence for a type that was asked for and is slow in a place; empty for all others."""
    if dtype not in TYPES or dtype == "float32":
        return ""
    if place.device == "cpu" and dtype not in fast_types():
        best = fastest_type()
        return f"dtype is {dtype}, which is slow on this processor; {best} is fastest. Type: --dtype {best}"
    if place.on_cuda and dtype == "bfloat16" and not _card_has_bfloat16(place.device):
        return "dtype is bfloat16, which this GPU emulates slowly. Type: --dtype float16"
    return ""


def check_dtype(dtype: str | None, place: Place) -> None:
    """Refuse a type that cannot be computed in a place, before anything is loaded.

    Raises:
        ConfigError: it cannot; the message names one that can.
    """
    if dtype not in TYPES or dtype == "float32":
        return
    if place.on_cuda and place.engine == "vllm" and dtype == "bfloat16" and not _card_has_bfloat16(place.device):
        raise ConfigError("dtype is 'bfloat16', which vLLM does not compute on this GPU.", "Type: --dtype float16")
    fault = _fault(str(dtype)) if place == Place("huggingface", "cpu") else ""
    if fault:
        raise ConfigError(
            f"dtype is {dtype!r}, which torch cannot compute here: {fault}.", f"Type: --dtype {fastest_type()}"
        )


def _torch() -> Any:
    """torch, or None where it cannot be imported: what needs it says so by itself."""
    try:
        import torch
    except (ImportError, OSError):
        return None
    return torch


def _answer(owner: Any, question: str) -> bool:
    """Ask torch a question that not every build of it knows."""
    try:
        return bool(getattr(owner, question)())
    except (AttributeError, RuntimeError):
        return False


def _native_types(torch: Any) -> set[str]:
    """The 16-bit types that an x86 processor multiplies itself, as far as torch and oneDNN may use it."""
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", os.environ.get("DNNL_MAX_CPU_ISA", "")).upper()
    if not torch.backends.cpu.get_cpu_capability().startswith("AVX512") or limit in EMULATED:
        return set()
    found = set()
    if _answer(torch.cpu, "_is_avx512_bf16_supported") or _answer(torch.cpu, "_is_amx_tile_supported"):
        found.add("bfloat16")
    if _answer(torch.cpu, "_is_amx_fp16_supported"):
        found.add("float16")
    return found


@lru_cache(maxsize=len(TYPES))
def _fault(dtype: str) -> str:
    """Compute a little on the CPU as a model does, and give what torch complains of; empty where it works."""
    torch = _torch()
    if torch is None:
        return ""
    states = torch.ones((1, 1, LEAST_TOKENS, LEAST_TOKENS), dtype=getattr(torch, dtype))
    call = torch.nn.functional
    try:
        with torch.inference_mode():
            call.scaled_dot_product_attention(states, states, call.linear(states, states[0, 0]), is_causal=True)
    except RuntimeError as error:
        return str(error).strip().splitlines()[0].rstrip(".")
    return ""


def _card_has_bfloat16(device: str) -> bool:
    """Whether a GPU computes bfloat16 itself: every one of AMD, and those of NVIDIA from Ampere on."""
    torch = _torch()
    number = int(device.partition(":")[2] or 0)
    return bool(getattr(torch.version, "hip", None)) or torch.cuda.get_device_capability(number) >= (8, 0)


def _vllm_on_cpu() -> bool:
    """Whether the installed vLLM runs on the CPU, found as vLLM finds it, without importing it."""
    if sys.platform == "darwin" or os.environ.get("VLLM_TARGET_DEVICE") == "cpu":
        return True
    try:
        return "cpu" in version("vllm")
    except PackageNotFoundError:
        return True  # the CPU build has a name of its own


@lru_cache(maxsize=64)
def _settings(model: str, revision: str | None, *, local: bool = False) -> Mapping[str, Any]:
    """config.json of a model; empty where there is none to be had, which loading it will report."""
    if model in ("", "smollm2"):  # nowhere; a folder that need not be there yet
        return {"dtype": "bfloat16"} if model else {}
    for here in (True,) if local else (True, False):
        with suppress(OSError, ValueError, ImportError, TTScaleError):
            return read_settings(resolve_model(model), revision, local=here)
    return {}


def _stored_type(settings: Mapping[str, Any]) -> str:
    """The type that a checkpoint says it has; what it does not say is what an unset `dtype` is."""
    inner = settings.get("text_config")
    for part in (settings, inner if isinstance(inner, dict) else {}):
        told = str(part.get("dtype") or part.get("torch_dtype") or "").removeprefix("torch.")
        if told in TYPES:
            return told
    return UNSET_DTYPE
