"""Estimate of a model's size before it is loaded, from its folder if there is one, else from its name."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from math import prod
from pathlib import Path as FilePath
from typing import Any

from tt_scale.pocket.weights import POCKET_MODELS
from tt_scale.pocket.weights import model_folder as pocket_folder

__all__ = ["ModelSize", "kv_bytes_per_token", "model_folder", "model_settings", "model_size", "parameters_in_name"]

SMOLLM2_PARAMETERS = 134_515_008
MOST_HEADER_BYTES = 100_000_000  # the format's own limit
DTYPE_BYTES = {"auto": 2.0, "float16": 2.0, "bfloat16": 2.0, "float32": 4.0}
GPT2_KEYS = {"hidden_size": "n_embd", "num_attention_heads": "n_head", "num_hidden_layers": "n_layer"}
"""Keys of config.json, and their names in GPT-2."""
QUANTIZED_BYTES = {"4 bit": 0.72, "8 bit": 1.1}
"""Bytes per parameter of published AWQ, GPTQ and FP8 checkpoints, including scales and 16-bit embeddings."""


@dataclass(frozen=True, slots=True)
class ModelSize:
    """Size of a model.

    Attributes:
        parameters: number of parameters; None if unknown.
        weight_bytes: size of the loaded weights; None if unknown.
        kv_bytes: size of the KV cache of one token; None without a config.json.
        source: source of the estimate: "config and weights", "config", "name", or "" if unknown.
    """

    parameters: int | None = None
    weight_bytes: float | None = None
    kv_bytes: int | None = None
    source: str = ""


def model_size(name: str, dtype: str, quantization: str | None = None, folder: FilePath | None = None) -> ModelSize:
    """Estimate the size of a model.

    Args:
        name: hub name, local folder, `pocket-gen`, `pocket-prm`, or `smollm2`.
        dtype: dtype of the weights; "auto" is that of its config.json, or 16 bits if that states none.
        quantization: the configured `quantization`; None infers it from the name.
        folder: folder with its config.json, if there is one on this machine.
    """
    config = _config(folder)
    dtype = _stored_type(config) if dtype == "auto" else dtype
    bits = _quantized_bits(name, quantization, config)
    stored = _stored_parameters(folder)
    parameters, source = stored, "config and weights"
    if parameters is None and config is not None:
        parameters, source = _parameters_of(config), "config"
    if parameters is None or (bits and source == "config and weights"):  # packed integers are not parameters
        parameters, source = parameters_in_name(name) or parameters, "name"
    if parameters is None:
        return ModelSize(kv_bytes=kv_bytes_per_token(config, dtype))
    each = QUANTIZED_BYTES[bits] if bits else DTYPE_BYTES[dtype]
    return ModelSize(parameters, parameters * each, kv_bytes_per_token(config, dtype), source)


def _stored_type(config: Mapping[str, Any] | None) -> str:
    stated = str((config or {}).get("dtype") or (config or {}).get("torch_dtype") or "").removeprefix("torch.")
    return stated if stated in DTYPE_BYTES else "auto"


def parameters_in_name(name: str) -> int | None:
    """Parse "7B", "1.5b" or "135M" in a name; the last one counts, as in `Skywork-o1-Open-PRM-Qwen-2.5-1.5B`."""
    if name == "smollm2":
        return SMOLLM2_PARAMETERS
    sizes = re.findall(r"(?<![A-Za-z0-9.])(\d+(?:\.\d+)?)([bBmM])(?![A-Za-z0-9])", name)
    if not sizes:
        return None
    number, unit = sizes[-1]
    return round(float(number) * (1e9 if unit in "bB" else 1e6))


def kv_bytes_per_token(config: Mapping[str, Any] | None, dtype: str) -> int | None:
    """2 (keys and values) x layers x KV heads x head dimension x bytes; None if config.json lacks one of them."""
    if config is None:
        return None
    try:
        heads = config["num_attention_heads"]
        key_heads = config.get("num_key_value_heads") or heads
        head = config.get("head_dim") or config["hidden_size"] // heads
        return int(2 * config["num_hidden_layers"] * key_heads * head * DTYPE_BYTES[dtype])
    except (KeyError, TypeError, ZeroDivisionError):
        return None


def model_folder(name: str) -> FilePath | None:
    """Find a model on this machine: a local folder, a pocket model, the unpacked `smollm2`, or the hub's cache."""
    if name in POCKET_MODELS:
        return pocket_folder(name)
    if name == "smollm2":
        from tt_scale.engines.cache import cache_folder

        return next((folder for folder in sorted(cache_folder().glob("smollm2-*")) if folder.is_dir()), None)
    path = FilePath(name).expanduser()
    if os.path.isdir(path):
        return path
    if name.count("/") != 1 or not find_spec("huggingface_hub"):
        return None
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        path = try_to_load_from_cache(name, "config.json")
    except HFValidationError:
        return None
    return FilePath(path).parent if isinstance(path, str) else None


def model_settings(name: str) -> Mapping[str, Any]:
    """A model's config.json if it is on this machine, else empty."""
    return _config(model_folder(name)) or {}


def _config(folder: FilePath | None) -> Mapping[str, Any] | None:
    if folder is None:
        return None
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(config, dict):
        return None
    inner = config.get("text_config")
    config = {**config, **inner} if isinstance(inner, dict) else config
    return {**config, **{key: config[own] for key, own in GPT2_KEYS.items() if own in config and key not in config}}


def _quantized_bits(name: str, quantization: str | None, config: Mapping[str, Any] | None) -> str:
    stated = (config or {}).get("quantization_config")
    method = stated.get("quant_method", "") if isinstance(stated, dict) else ""
    words = f"{quantization or ''} {method} {name}".lower()
    if re.search(r"awq|gptq|bitsandbytes|bnb|int4|4bit|w4a16|nf4", words):
        return "4 bit"
    return "8 bit" if re.search(r"fp8|int8|8bit|w8a8|w8a16", words) else ""


def _stored_parameters(folder: FilePath | None) -> int | None:
    """Count the parameters by the headers of the safetensors files, without loading the weights."""
    files = sorted(folder.glob("*.safetensors")) if folder else []
    total = 0
    for path in files:
        try:
            with path.open("rb") as file:
                length = int.from_bytes(file.read(8), "little")
                header = json.loads(file.read(min(length, MOST_HEADER_BYTES)))
            total += sum([prod(each["shape"]) for key, each in header.items() if key != "__metadata__"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
    return total or None


def _parameters_of(config: Mapping[str, Any]) -> int | None:
    """Count the weights of a Llama-like decoder: embeddings, and attention and gated feed-forward of each layer."""
    try:
        width, heads = config["hidden_size"], config["num_attention_heads"]
        if "n_embd" in config:
            return _parameters_of_gpt2(config)
        head = config.get("head_dim") or width // heads
        key_heads = config.get("num_key_value_heads") or heads
        attention = 2 * width * head * (heads + key_heads)
        layer = attention + 3 * width * config["intermediate_size"]
        tables = 1 if config.get("tie_word_embeddings") else 2
        return int(config["num_hidden_layers"] * layer + tables * config["vocab_size"] * width)
    except (KeyError, TypeError, ZeroDivisionError):
        return None


def _parameters_of_gpt2(config: Mapping[str, Any]) -> int:
    """Count the weights of a GPT-2: tied token embeddings, position embeddings, feed-forward without a gate."""
    width = config["n_embd"]
    layer = 4 * width * width + 2 * width * (config.get("n_inner") or 4 * width)
    return int(config["n_layer"] * layer + (config["vocab_size"] + config["n_positions"]) * width)
