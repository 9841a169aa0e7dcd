"""A folder for the temporary files of an engine's processes, removed with the engine.

vLLM and PyTorch put sockets, rendezvous files and compiled code into the folder for temporary files and leave them.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tt_scale.engines.cache import cache_folder
from tt_scale.errors import GeneratorError

__all__ = ["SAFE_PATH", "Scratch", "place_caches", "set_variables"]

LONGEST_SOCKET = 107
"""Bytes in the name of a Unix socket."""
SOCKET_NAME = 37
"""A slash and the UUID that vLLM names a socket by."""
FOLDER_NAME = len("/tt_scale-12345678")
PREFIX = "tt_scale-"
SAFE_PATH = {"PYTHONSAFEPATH": "1"}
"""From Python 3.11 on: a new process does not look for modules in the current folder before it has the path of its
parent. A file `types.py` there would end it."""


class Scratch:
    """A temporary folder, made when it is entered first.

    Attributes:
        folder: while it is there, else None.
    """

    def __init__(self) -> None:
        self.folder: Path | None = None

    def make(self) -> Path:
        """Make the folder, where it is not there yet.

        Raises:
            GeneratorError: nowhere can a file be written.
        """
        if self.folder is None:
            self.folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=_parent()))
        return self.folder

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Let processes that start within put temporary files into the folder, and what has no other place."""
        folder = str(self.make())
        variables = {"TMPDIR": folder, "VLLM_RPC_BASE_PATH": folder, **SAFE_PATH}
        if "VLLM_CACHE_ROOT" not in os.environ and not _is_writable(_cache("vllm")):
            variables["VLLM_CACHE_ROOT"] = folder  # else vLLM prints a traceback about its cache
        with set_variables(variables):
            yield

    def remove(self) -> None:
        """Remove the folder and what is in it; a second call does nothing."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = None


def place_caches() -> None:
    """Name a folder for what PyTorch compiles, before it is imported: importing vLLM makes it, among temporary files.

    It is kept with our cache, or removed at the end where nothing can be kept.
    """
    if "TORCHINDUCTOR_CACHE_DIR" in os.environ:
        return
    folder = cache_folder() / "torchinductor"
    if not _is_writable(folder):
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder)


@contextmanager
def set_variables(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for a while."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _parent() -> str:
    """The folder for temporary files, or another where its name is too long for a socket's."""
    try:
        usual = tempfile.gettempdir()
    except FileNotFoundError as error:
        raise GeneratorError("No temporary file can be written.", "Set TMPDIR to a folder with free space.") from error
    room = LONGEST_SOCKET - SOCKET_NAME - FOLDER_NAME
    short = [
        each for each in (usual, "/tmp", "/var/tmp") if len(os.fsencode(each)) <= room and _is_writable(Path(each))
    ]
    return short[0] if short else usual


def _cache(name: str) -> Path:
    """Where a package of this name keeps its cache by default."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path(os.path.expanduser("~")) / ".cache") / name


def _is_writable(folder: Path) -> bool:
    """Whether a folder, or the nearest one above it that exists, can be written to; "~" without a home cannot."""
    if not folder.is_absolute():
        return False
    nearest = next((each for each in (folder, *folder.parents) if each.exists()), folder)
    return nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)
