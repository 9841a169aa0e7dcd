"""Output of an engine's processes: hidden from the terminal, and searched for the cause of a failure."""

from __future__ import annotations

import io
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, Any

from tt_scale.core.safe_stream import safe_stream

__all__ = ["EngineLog"]

ERROR_LINE = re.compile(r"\b(?:[A-Za-z_]+\.)*([A-Z][A-Za-z]*(?:Error|Exception|Exit)): (.+)")
"""Last line of a traceback, after any prefix of a logger."""

CONSEQUENCES = (
    "Engine core initialization failed",
    "initialization failed due to an exception",
    "See stack trace",
    "Broken pipe",
)
"""Error messages that only report that something else failed."""


class EngineLog:
    """Unnamed temporary file that receives the output of an engine's processes."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None

    @staticmethod
    def hidden() -> bool:
        """Whether output is hidden; it is unless VLLM_LOGGING_LEVEL asks for more than errors."""
        return os.environ.get("VLLM_LOGGING_LEVEL", "ERROR") in ("ERROR", "CRITICAL")

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Redirect the output of processes that start within to the file; Python's own streams are unchanged."""
        if not self.hidden():
            yield
            return
        self._file = self._file or tempfile.TemporaryFile()  # noqa: SIM115  (open for the engine's life)
        with ExitStack() as stack:
            for name, descriptor in (("stdout", 1), ("stderr", 2)):
                stack.enter_context(_replaced(name, descriptor, self._file.fileno()))
            yield

    def reason(self) -> str:
        """First error message that is not a consequence of another; empty if there is none."""
        if self._file is None:
            return ""
        size = os.fstat(self._file.fileno()).st_size
        text = os.pread(self._file.fileno(), min(size, 2**20), max(0, size - 2**20)).decode(errors="replace")
        messages = [match[2].strip() for match in ERROR_LINE.finditer(text)]
        causes = [message for message in messages if not any(part in message for part in CONSEQUENCES)]
        return causes[0] if causes else ""

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._file is not None:
            self._file.close()
            self._file = None


@contextmanager
def _replaced(name: str, descriptor: int, file: int) -> Iterator[None]:
    """Redirect a descriptor to a file, and the Python stream that writes to it to the original target."""
    stream: Any = getattr(sys, name)
    original = os.dup(descriptor)
    moved = None
    if _descriptor(stream) == descriptor:
        stream.flush()
        moved = open(os.dup(original), "w", buffering=1, encoding=stream.encoding, errors=stream.errors)  # noqa: SIM115
        setattr(sys, name, safe_stream(moved))
    os.dup2(file, descriptor)
    try:
        yield
    finally:
        os.dup2(original, descriptor)
        os.close(original)
        if moved is not None:
            last = getattr(sys, name)
            if _descriptor(last) == moved.fileno():
                setattr(sys, name, stream)
                last.flush()
            moved.close()


def _descriptor(stream: Any) -> int | None:
    try:
        return int(stream.fileno())
    except (AttributeError, io.UnsupportedOperation, ValueError):
        return None
