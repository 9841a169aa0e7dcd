"""Text streams for output that nobody may be reading: a write that fails is dropped, and the program goes on.

The reader of a pipe ends (`| head -1`), a disk is full, a terminal is closed. After the first error the descriptor
points to the null device, so that neither later writes nor the interpreter's last flush can fail.

    sys.stdout = safe_stream(sys.stdout, lost=errors.append)
"""

from __future__ import annotations

import io
import os
import select
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TextIO

__all__ = ["plug_descriptors", "safe_stream"]


def safe_stream(stream: Any, lost: Callable[[OSError], object] = lambda _: None) -> TextIO:
    """Make a text stream over the file of another one, whose writes never fail.

    Args:
        stream: standard output, say. It stays open; what it has not written yet is written before. One that has no
            file of its own, as a notebook's, is returned as it is.
        lost: called with the first error of a write.
    """
    buffer = getattr(stream, "buffer", None)
    file = getattr(buffer, "raw", buffer)
    if not isinstance(file, io.RawIOBase) or isinstance(file, _SafeFile):
        return stream  # type: ignore[no-any-return]
    with suppress(OSError):
        stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_SafeFile(file, stream, lost)),
        encoding=stream.encoding,
        errors="replace",
        newline=None if os.name == "nt" else "\n",
        line_buffering=stream.line_buffering or stream.write_through,
    )


def plug_descriptors() -> None:
    """Point each standard descriptor that the caller closed to the null device.

    The next file that is opened would get its number else, and whatever a library prints would go into that file.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            os.set_inheritable(number, True)


class _SafeFile(io.RawIOBase):
    """Passes bytes on to a file, until it cannot be written.

    Args:
        file: raw file; it stays open when this one is closed.
        owner: stream that would close the file when nobody holds it any more.
        lost: called with the first error.
    """

    def __init__(self, file: io.RawIOBase, owner: object, lost: Callable[[OSError], object]) -> None:
        self._file: io.RawIOBase | None = file
        self._owner = owner
        self._lost = lost
        self._descriptor = file.fileno()
        self.name = getattr(file, "name", self._descriptor)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return self._file is not None and self._file.isatty()

    def write(self, data: Any) -> int:
        while self._file is not None:
            try:
                written = self._file.write(data)
                if written is not None:
                    return written
                select.select([], [self._descriptor], [])  # a descriptor that does not block, and is full
            except OSError as error:
                self._give_up(error)
        return memoryview(data).nbytes

    def _give_up(self, error: OSError) -> None:
        self._file = None
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self._descriptor)
        os.close(null)
        self._lost(error)
