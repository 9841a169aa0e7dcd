"""Temporary folder of an engine's processes, removed with the engine.

vLLM and PyTorch write sockets, rendezvous files and compiled code into the system's temporary folder and do not remove
them.
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
"""Maximum length of the path of a Unix socket, in bytes."""
SOCKET_NAME = 37
"""Length of the file name of vLLM's sockets: a slash and a UUID."""
FOLDER_NAME = len("/tt_scale-12345678")
PREFIX = "tt_scale-"
SAFE_PATH = {"PYTHONSAFEPATH": "1"}
"""Effective from Python 3.11 on: a new process does not import modules from the current folder before it has the path
of its parent. A file `types.py` there would make it fail."""


class Scratch:
    """A temporary folder, created at its first use.

    Attributes:
        folder: its path while it exists, else None.
    """

    def __init__(self) -> None:
        self.folder: Path | None = None

    def make(self) -> Path:
        """Create the folder if it does not exist.

        Raises:
            GeneratorError: no folder for temporary files is writable.
        """
        if self.folder is None:
            self.folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=_parent()))
        return self.folder

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Set the environment so that processes started within write temporary files into the folder."""
        folder = str(self.make())
        variables = {"TMPDIR": folder, "VLLM_RPC_BASE_PATH": folder, **SAFE_PATH}
        if "VLLM_CACHE_ROOT" not in os.environ and not _is_writable(_cache("vllm")):
            variables["VLLM_CACHE_ROOT"] = folder  # otherwise vLLM prints a traceback about its cache
        with set_variables(variables):
            yield

    def remove(self) -> None:
        """Remove the folder and its content; a second call does nothing."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = None


def place_caches() -> None:
    """Set PyTorch's folder for compiled code before torch is imported; importing vLLM would create one in /tmp.

    It lies in the cache folder of tt_scale and is kept; if that is not writable, a temporary one is removed at exit.
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
    """Set environment variables within a block."""
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
    """Folder for temporary files; a shorter one if its path leaves no room for a socket's name."""
    try:
        usual = tempfile.gettempdir()
    except FileNotFoundError as error:
        raise GeneratorError(
            "No folder for temporary files is writable.", "Set TMPDIR to a folder with free space."
        ) from error
    room = LONGEST_SOCKET - SOCKET_NAME - FOLDER_NAME
    short = [
        each for each in (usual, "/tmp", "/var/tmp") if len(os.fsencode(each)) <= room and _is_writable(Path(each))
    ]
    return short[0] if short else usual


def _cache(name: str) -> Path:
    """Default cache folder of a package."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path(os.path.expanduser("~")) / ".cache") / name


def _is_writable(folder: Path) -> bool:
    """Whether a folder, or its nearest existing parent, is writable; an unexpanded "~" is not."""
    if not folder.is_absolute():
        return False
    nearest = next((each for each in (folder, *folder.parents) if each.exists()), folder)
    return nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)
