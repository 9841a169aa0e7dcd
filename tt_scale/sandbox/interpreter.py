"""Python interpreter of the sandbox, and the packages that code may import there.

It is the base interpreter of the running environment with its standard library. Of the installed packages, only those
for mathematics are mounted.
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
"""A file or folder of this machine, and its read-only mount point in the sandbox."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """Location of the interpreter in the sandbox.

    Attributes:
        program: path of the program.
        libraries: folder of its shared libraries.
        mounts: mounts that it needs beside `/usr`.
        hidden: folders within the mounts that are covered by an empty one.
    """

    program: Path
    libraries: Path
    mounts: tuple[Mount, ...] = ()
    hidden: tuple[Path, ...] = ()


@cache
def find_interpreter() -> Interpreter:
    """Find the base interpreter of this process.

    One below `/usr` is mounted already; any other is mounted at `/python`, which hides its path on this machine.
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
    """Mounts of the installed packages of `PACKAGES`, with the shared libraries that wheels install beside them."""
    return tuple([mount for name in PACKAGES for mount in _package(name)])


def _package(name: str) -> Iterator[Mount]:
    try:
        spec = importlib.util.find_spec(name)
    except ValueError:  # a stub in sys.modules
        return
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for path in (Path(folder), Path(f"{folder}.libs")):
            if path.is_dir():
                yield path.resolve(), Path("/packages") / path.name


def _parts(prefix: Path) -> Iterator[Path]:
    """Standard library and shared libraries of an installation, and nothing else of it."""
    if (prefix / "conda-meta").is_dir():
        yield prefix / "lib"  # contains all libraries that the standard library needs
        return
    library = _standard_library()
    yield library
    compiled = prefix / sys.platlibdir / library.name
    if compiled != library and compiled.is_dir():
        yield compiled
    yield from (prefix / "lib").glob("libpython*.so*")


def _standard_library() -> Path:
    return Path(os.__file__).resolve().parent
