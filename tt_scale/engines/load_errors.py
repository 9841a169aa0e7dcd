"""vLLM's complaints, as one sentence and what to do about it."""

from __future__ import annotations

import re

__all__ = ["advice", "sentence"]

WRAPPING = re.compile(
    r"^\[enforce fail at [^]]*\] \S+ \S+ \S+\. |^\d+ validation errors? for \w+ (?:Value error, |Assertion failed, )?"
    r"|\s*\[type=\w+, input_value=.*$"
)
"""What pydantic and PyTorch put around a message."""

ADVICE = {
    "derived max_model_len": "Lower --max-model-len.",
    "Unable to find": "PyTorch needs the loopback network interface to be up. Type: ip link set lo up",
    "'ascii' codec": "The locale's encoding is ASCII, in which PyTorch cannot read its own files. Type: PYTHONUTF8=1 "
    "tt-scale ...",
    "lscpu": "vLLM asks lscpu about the cores: install util-linux, or use Transformers. Type: --generator huggingface",
    "was killed": "Give it more memory, lower --kv-cache-gib, take a smaller model, or type: --generator huggingface "
    "--prm huggingface",
    "/dev/shm": "Start the container with a larger --shm-size, or use Transformers. Type: --generator huggingface",
    "processor does not have": "Use Transformers. Type: --generator huggingface",
    "memory for kv": "Lower --kv-cache-gib.",
    "KV cache": "Lower --max-model-len, or give more memory: --gpu-mem-util, on a CPU --kv-cache-gib.",
    "available memory for the cache": "Give more memory: --gpu-mem-util, or --prm-gpu-mem-util.",
    "less than desired GPU memory": "Free the GPU, or lower --gpu-mem-util and --prm-gpu-mem-util.",
    "out of memory": "Lower --max-model-len, or --gpu-mem-util and --prm-gpu-mem-util where two models share the GPU.",
    "is not supported for quantization method": "Type: --dtype bfloat16",
    "uantization": "Leave out --quantization, or name the one that the weights have.",
    "config file for": "Leave out --quantization, or name the one that the weights have.",
    "trust_remote_code": "If you trust the model's code, type: --trust-remote-code",
    "tensor parallel": "Choose another --tensor-parallel-size.",
    "does not support float16": "Type: --dtype bfloat16",
    "loat16 is only supported": "Type: --dtype float16",
    "bfloat16": "Type: --dtype float16",
    "bootstrapping phase": 'Put what your script runs under `if __name__ == "__main__":`.',
    "not initialized from checkpoint": "Some of its files are missing: fetch the model again.",
    "does not recognize this architecture": "A newer transformers may know it.",
    "snapshot folder": "Check the name and the network, or give a local folder as --model-name.",
    "model identifier": "Check the name and the network, or give a local folder as --model-name.",
    "connect": "Check the name and the network, or give a local folder as --model-name.",
}
"""A sign in the complaint, and what to change; the first that fits."""


def sentence(complaint: BaseException | str) -> str:
    """Reduce a complaint to its first sentence, on one line."""
    text = WRAPPING.sub("", " ".join(str(complaint).split()))
    text = WRAPPING.sub("", text) or type(complaint).__name__
    first = re.split(r"(?<=[^.\d]\.)\s+(?=[A-Z])", text, maxsplit=1)[0]
    return first if first.endswith(".") else f"{first}."


def advice(complaint: BaseException | str) -> str:
    """Say what to change, for the failures that people meet; empty for others."""
    text = str(complaint)
    return next((change for sign, change in ADVICE.items() if sign in text), "")
