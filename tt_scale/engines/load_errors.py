"""Error messages of model loaders, reduced to one sentence, with advice for known failures."""

from __future__ import annotations

import re

__all__ = ["advice", "sentence"]

WRAPPER = re.compile(
    r"^\[enforce fail at [^]]*\] \S+ \S+ \S+\. |^\d+ validation errors? for \w+ (?:Value error, |Assertion failed, )?"
    r"|\s*\[type=\w+, input_value=.*$"
)
"""Text that pydantic and PyTorch put around a message."""

ADVICE = {
    "derived max_model_len": "Lower --max-model-len.",
    "Unable to find": "PyTorch needs the loopback network interface to be up. Type: ip link set lo up",
    "'ascii' codec": "The locale's encoding is ASCII, in which PyTorch cannot read its own files. Type: PYTHONUTF8=1 "
    "tt-scale ...",
    "lscpu": "vLLM needs lscpu: install util-linux, or use Transformers. Type: --generator huggingface",
    "was killed": "Provide more memory, lower --kv-cache-gib, use a smaller model, or type: --generator huggingface "
    "--prm huggingface",
    "/dev/shm": "Start the container with a larger --shm-size, or use Transformers. Type: --generator huggingface",
    "processor does not have": "Use Transformers. Type: --generator huggingface",
    "memory for kv": "Lower --kv-cache-gib.",
    "KV cache": "Lower --max-model-len, or raise --gpu-mem-util, on a CPU --kv-cache-gib.",
    "available memory for the cache": "Raise --gpu-mem-util, or --prm-gpu-mem-util.",
    "less than desired GPU memory": "Free the GPU, or lower --gpu-mem-util and --prm-gpu-mem-util.",
    "out of memory": "Lower --max-model-len, or --gpu-mem-util and --prm-gpu-mem-util where two models share the GPU.",
    "is not supported for quantization method": "Type: --dtype bfloat16",
    "uantization": "Omit --quantization, or set it to that of the weights.",
    "config file for": "Omit --quantization, or set it to that of the weights.",
    "trust_remote_code": "If you trust the model's code, type: --trust-remote-code",
    "tensor parallel": "Choose another --tensor-parallel-size.",
    "does not support float16": "Type: --dtype bfloat16",
    "loat16 is only supported": "Type: --dtype float16",
    "bfloat16": "Type: --dtype float16",
    "bootstrapping phase": 'Move the code of your script under `if __name__ == "__main__":`.',
    "not initialized from checkpoint": "Some of its files are missing: download the model again.",
    "does not recognize this architecture": "A newer version of transformers may support it.",
    "snapshot folder": "Check the name and the network, or give a local folder as --model-name.",
    "model identifier": "Check the name and the network, or give a local folder as --model-name.",
    "connect": "Check the name and the network, or give a local folder as --model-name.",
}
"""Substring of an error message to advice; the first match counts."""


def sentence(error: BaseException | str) -> str:
    """Reduce an error message to its first sentence, on one line."""
    text = WRAPPER.sub("", " ".join(str(error).split()))
    text = WRAPPER.sub("", text) or type(error).__name__
    first = re.split(r"(?<=[^.\d]\.)\s+(?=[A-Z])", text, maxsplit=1)[0]
    return first if first.endswith(".") else f"{first}."


def advice(error: BaseException | str) -> str:
    """Advice for a common failure; empty for others."""
    text = str(error)
    return next((change for part, change in ADVICE.items() if part in text), "")
