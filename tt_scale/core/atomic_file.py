"""Atomic writes: a file is replaced completely or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

__all__ = ["partial_of", "replacing"]


@contextmanager
def replacing(path: Path, mode: str = "w", errors: str = "strict") -> Iterator[IO[Any]]:
    """Open a temporary file that replaces `path` at the end of the block; after an exception `path` is unchanged.

    The temporary file lies beside `path`, since a rename within a folder is atomic. A link keeps leading to the file
    that is replaced, and a file keeps its permissions. What is no file, such as a pipe, is written to directly.

    Args:
        path: the file to replace or create; its folder exists.
        mode: "w" for text in UTF-8 without translation of line ends, or "wb".
        errors: of the encoding, as of `open`.

    Raises:
        OSError: the file cannot be written.
    """
    path = Path(os.path.realpath(path))
    text: dict[str, Any] = {} if "b" in mode else {"encoding": "utf-8", "newline": "", "errors": errors}
    if path.exists() and not path.is_file():
        with path.open(mode, **text) as file:
            yield file
        return
    partial = partial_of(path)
    try:
        with partial.open(mode, **text) as file:
            yield file
        if path.exists():
            shutil.copymode(path, partial)
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def partial_of(path: Path) -> Path:
    """The temporary file of a path."""
    return path.with_name(f".{path.name}.partial")
