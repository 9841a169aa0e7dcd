"""The Python that runs code in the sandbox, and the packages that the code may import.

It is the interpreter that the running environment was made from, with its standard library and without its packages;
of the packages, those that a model's mathematics needs are shown where they are installed.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["Interpreter", "Mount", "find_interpreter", "package_mounts"]

PACKAGES = ("numpy", "scipy", "sympy", "mpmath")
PREFIX = Path("/python")

Mount = tuple[Path, Path]
"""A file or folder of this machine, and where the sandbox shows it, read-only."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """Where the interpreter stands in the sandbox.

    Attributes:
        program: its path there.
        libraries: folder of its shared libraries there.
        mounts: what has to be shown for it beside `/usr`.
        hidden: folders of these that are covered by an empty one.
    """

    program: Path
    libraries: Path
    mounts: tuple[Mount, ...] = ()
    hidden: tuple[Path, ...] = ()


@cache
def find_interpreter() -> Interpreter:
    """Find the interpreter behind this process.

    One below `/usr` is there already; any other is shown below `/python`, so that its own path is not.
    """
    program = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    prefix = Path(sys.base_prefix).resolve()
    if Path("/usr") in prefix.parents or prefix == Path("/usr"):
        return Interpreter(program, prefix / "lib")
    shown = PREFIX / "bin" / program.name
    mounts = [(path, PREFIX / path.relative_to(prefix)) for path in _parts(prefix)]
    packages = _standard_library() / "site-packages"
    hidden = [PREFIX / packages.relative_to(prefix)] if packages.is_dir() else []
    return Interpreter(shown, PREFIX / "lib", ((program, shown), *mounts), tuple(hidden))


@cache
def package_mounts() -> tuple[Mount, ...]:
    """Find the packages of `PACKAGES` that are installed, with the shared libraries that wheels put beside them."""
    return tuple([mount for name in PACKAGES for mount in _package(name)])


def _package(name: str) -> Iterator[Mount]:
    try:
        spec = importlib.util.find_spec(name)
    except ValueError:  # a stand-in that was put into sys.modules
        return
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for path in (Path(folder), Path(f"{folder}.libs")):
            if path.is_dir():
                yield path.resolve(), Path("/packages") / path.name


def _parts(prefix: Path) -> Iterator[Path]:
    """The standard library and the shared libraries of an installation, and nothing else that lies beside them."""
    if (prefix / "conda-meta").is_dir():
        yield prefix / "lib"  # where all libraries of the standard library are
        return
    library = _standard_library()
    yield library
    compiled = prefix / sys.platlibdir / library.name
    if compiled != library and compiled.is_dir():
        yield compiled
    yield from (prefix / "lib").glob("libpython*.so*")


def _standard_library() -> Path:
    return Path(os.__file__).resolve().parent
