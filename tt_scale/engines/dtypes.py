"""Dtype of a model, from the key `dtype` and the device.

An explicit dtype is used as given. On CUDA, `auto` is the checkpoint's dtype and the default is float16. On a CPU both
are the fastest dtype of the processor: a 16-bit one if it multiplies it natively, else float32, which is then three to
ten times faster.
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
    "TYPES", "EngineDevice", "check_dtype", "engine_device", "fast_types", "fastest_type", "resolve_dtype",
    "slow_dtype",
]  # fmt: skip

TYPES = ("bfloat16", "float16", "float32")
EMULATED = ("AVX512_CORE", "AVX512_CORE_VNNI")
"""Values of ONEDNN_MAX_CPU_ISA under which torch reports bfloat16 support that oneDNN emulates."""

LEAST_TOKENS = 64
"""Shortest sequence for which torch packs the keys for a 16-bit product, which fails under some settings."""


@dataclass(frozen=True, slots=True)
class EngineDevice:
    """An engine, and the device on which it runs a model.

    Attributes:
        engine: "vllm" or "huggingface".
        device: "cpu", "cuda", "cuda:1"; "other" for an accelerator that only vLLM supports.
    """

    engine: str
    device: str

    @property
    def on_cuda(self) -> bool:
        """Whether the device is a CUDA device."""
        return self.device.startswith("cuda")


def engine_device(engine: str, device: str | None = None) -> EngineDevice:
    """Determine the device on which an engine runs a model.

    Args:
        engine: "vllm" or "huggingface".
        device: configured device: "cpu", "cuda:1"; None is the engine's choice.
    """
    if engine == "vllm" and _vllm_on_cpu():
        return EngineDevice(engine, "cpu")
    torch = _torch()
    if torch is not None and torch.cuda.is_available():
        return EngineDevice(engine, device or "cuda:0")
    return EngineDevice(engine, "cpu" if engine != "vllm" else "other")


def resolve_dtype(
    dtype: str | None, target: EngineDevice, model: str, quantization: str | None = None, revision: str | None = None
) -> str:
    """Determine the dtype in which a model computes.

    Args:
        dtype: configured dtype.
        target: engine and device of the model.
        model: its name, folder or hub name; its config.json is read if the dtype depends on it, and fetched only for
            `auto` on CUDA. Empty for none.
        quantization: configured quantization of its weights.
        revision: revision on the hub; None is the newest.

    Returns:
        One of `TYPES`; "auto" only on an accelerator that this module does not know.
    """
    if dtype in TYPES:
        return str(dtype)
    if target.device == "cpu":
        packed = target.engine == "vllm" and (
            quantization or "quantization_config" in _settings(model, revision, local=True)
        )
        return "bfloat16" if packed else fastest_type()  # vLLM unpacks quantized weights to 16 bits
    if dtype is None or not target.on_cuda:
        return dtype or UNSET_DTYPE
    stored = _stored_type(_settings(model, revision))
    return UNSET_DTYPE if stored == "bfloat16" and not _gpu_has_bfloat16(target.device) else stored


@lru_cache(maxsize=1)
def fast_types() -> tuple[str, ...]:
    """The 16-bit dtypes in which this processor computes faster than in float32, the best first.

    torch reports bfloat16 support on every processor with AVX-512; without native instructions products are emulated,
    at a third of the speed of float32. float16 is faster only with AMX: with AVX512-FP16 it took 0.7 to 2.3 times as
    long as float32. Variables that limit torch or oneDNN to older instructions (ATEN_CPU_CAPABILITY,
    ONEDNN_MAX_CPU_ISA) are respected.
    """
    torch = _torch()
    if torch is None:
        return ()
    probes = {"bfloat16": "_is_mkldnn_bf16_supported", "float16": "_is_mkldnn_fp16_supported"}
    supported = [name for name, probe in probes.items() if _answer(torch.ops.mkldnn, probe)]
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return tuple(supported)  # there torch checks for native instructions
    native = _native_types(torch)
    return tuple([name for name in supported if name in native])


def fastest_type() -> str:
    """The dtype in which this processor computes fastest."""
    return (*fast_types(), "float32")[0]


def slow_dtype(dtype: str | None, target: EngineDevice) -> str:
    """Warning for a configured dtype that is slow on a device, as a sentence; empty for all others."""
    if dtype not in TYPES or dtype == "float32":
        return ""
    if target.device == "cpu" and dtype not in fast_types():
        best = fastest_type()
        return f"dtype is {dtype}, which is slow on this processor; {best} is fastest. Type: --dtype {best}"
    if target.on_cuda and dtype == "bfloat16" and not _gpu_has_bfloat16(target.device):
        return "dtype is bfloat16, which this GPU emulates slowly. Type: --dtype float16"
    return ""


def check_dtype(dtype: str | None, target: EngineDevice) -> None:
    """Reject a dtype that an engine cannot compute on its device, before anything is loaded.

    Raises:
        ConfigError: the dtype is not supported there; the message names one that is.
    """
    if dtype not in TYPES or dtype == "float32":
        return
    if target.on_cuda and target.engine == "vllm" and dtype == "bfloat16" and not _gpu_has_bfloat16(target.device):
        raise ConfigError("dtype is 'bfloat16', which vLLM does not support on this GPU.", "Type: --dtype float16")
    fault = _fault(str(dtype)) if target == EngineDevice("huggingface", "cpu") else ""
    if fault:
        raise ConfigError(
            f"dtype is {dtype!r}, which torch cannot compute here: {fault}.", f"Type: --dtype {fastest_type()}"
        )


def _torch() -> Any:
    """torch, or None if it cannot be imported; whatever needs it raises its own error."""
    try:
        import torch
    except (ImportError, OSError):
        return None
    return torch


def _answer(owner: Any, probe: str) -> bool:
    """Call a feature probe of torch; False if this build lacks it."""
    try:
        return bool(getattr(owner, probe)())
    except (AttributeError, RuntimeError):
        return False


def _native_types(torch: Any) -> set[str]:
    """The 16-bit dtypes that an x86 processor multiplies natively, if torch and oneDNN are allowed to use that."""
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", os.environ.get("DNNL_MAX_CPU_ISA", "")).upper()
    if not torch.backends.cpu.get_cpu_capability().startswith("AVX512") or limit in EMULATED:
        return set()
    native = set()
    if _answer(torch.cpu, "_is_avx512_bf16_supported") or _answer(torch.cpu, "_is_amx_tile_supported"):
        native.add("bfloat16")
    if _answer(torch.cpu, "_is_amx_fp16_supported"):
        native.add("float16")
    return native


@lru_cache(maxsize=len(TYPES))
def _fault(dtype: str) -> str:
    """Run a linear layer and attention on the CPU; return torch's error message, empty if they succeed."""
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


def _gpu_has_bfloat16(device: str) -> bool:
    """Whether a GPU computes bfloat16 natively: all of AMD, and NVIDIA's from Ampere on."""
    torch = _torch()
    number = int(device.partition(":")[2] or 0)
    return bool(getattr(torch.version, "hip", None)) or torch.cuda.get_device_capability(number) >= (8, 0)


def _vllm_on_cpu() -> bool:
    """Whether the installed vLLM runs on the CPU, determined as vLLM does but without importing it."""
    if sys.platform == "darwin" or os.environ.get("VLLM_TARGET_DEVICE") == "cpu":
        return True
    try:
        return "cpu" in version("vllm")
    except PackageNotFoundError:
        return True  # the CPU build has another distribution name


@lru_cache(maxsize=64)
def _settings(model: str, revision: str | None, *, local: bool = False) -> Mapping[str, Any]:
    """config.json of a model; empty if it cannot be read, which loading the model will report."""
    if model in ("", "smollm2"):  # no model; a folder that may not exist yet
        return {"dtype": "bfloat16"} if model else {}
    for here in (True,) if local else (True, False):
        with suppress(OSError, ValueError, ImportError, TTScaleError):
            return read_settings(resolve_model(model), revision, local=here)
    return {}


def _stored_type(settings: Mapping[str, Any]) -> str:
    """The dtype that config.json states; that of an unset `dtype` if it states none."""
    inner = settings.get("text_config")
    for part in (settings, inner if isinstance(inner, dict) else {}):
        stated = str(part.get("dtype") or part.get("torch_dtype") or "").removeprefix("torch.")
        if stated in TYPES:
            return stated
    return UNSET_DTYPE
