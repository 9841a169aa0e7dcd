"""A file of lines that is whole at any time, and what is said where a file of a run cannot be written."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path as FilePath

from tt_scale.errors import JournalError

__all__ = ["LineFile", "remove_partial_files", "unwritable"]

FULL = frozenset([errno.ENOSPC, errno.EDQUOT])
ON_A_FULL_DISK = "What is finished is kept. Free some space and type the same command again: it goes on from there."


def unwritable(path: FilePath, error: Exception, what: str = "", hint: str = "") -> JournalError:
    """Say that a file cannot be written, and what to do about it.

    Args:
        path: of the file.
        error: why.
        what: the file is, for the message.
        hint: what to do where the disk is not full.
    """
    reason = getattr(error, "strerror", None) or error
    full = isinstance(error, OSError) and error.errno in FULL
    return JournalError(f"{what} {str(path)!r} cannot be written: {reason}.".lstrip(), ON_A_FULL_DISK if full else hint)


def remove_partial_files(folder: FilePath) -> None:
    """Remove what a writer that was killed left half written."""
    for partial in [*folder.glob(".*.partial"), *folder.glob("*.partial")]:
        with suppress(OSError):
            partial.unlink()


class LineFile:
    """A file, open for appending, that holds whole lines at any time.

    Args:
        path: made if it does not exist; ends with a whole line.
        what: the file is, for messages.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, path: FilePath, what: str = "") -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
        self._path, self._what = path, what
        self._descriptor: int | None = os.open(path, flags, 0o666)
        self._size = os.fstat(self._descriptor).st_size

    def append(self, line: bytes) -> None:
        """Write a line, all of it or none.

        Raises:
            JournalError: it cannot be written, or the file at this path is no longer the one that was opened.
        """
        self.check_in_place()
        assert self._descriptor is not None
        left = memoryview(line)
        try:
            while left:
                left = left[os.write(self._descriptor, left) :]
        except OSError as error:
            self._cut_back()
            raise unwritable(self._path, error, self._what) from None
        except BaseException:
            self._cut_back()
            raise
        self._size += len(line)

    def check_in_place(self) -> None:
        """See that what was written is still there, under its name.

        Raises:
            JournalError: the file was deleted, replaced or changed.
        """
        assert self._descriptor is not None, "the journal is not open"
        own = os.fstat(self._descriptor)
        try:
            there = os.stat(self._path)
        except OSError:
            there = None
        if there is None or (there.st_dev, there.st_ino) != (own.st_dev, own.st_ino):
            raise JournalError(
                f"{str(self._path)!r} was deleted or replaced while the run was writing to it.",
                "What was written to it is lost. Type the same command again: it begins with what is there now.",
            )
        if own.st_size != self._size:
            raise JournalError(
                f"{str(self._path)!r} was changed by another program while the run was writing to it.",
                "Type the same command again: it goes on with the lines that are whole.",
            )

    def close(self) -> None:
        """Close the file. A second call does nothing."""
        if self._descriptor is not None:
            with suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = None

    def _cut_back(self) -> None:
        """Remove the beginning of a line that could not be written whole."""
        assert self._descriptor is not None
        with suppress(OSError):
            os.ftruncate(self._descriptor, self._size)
