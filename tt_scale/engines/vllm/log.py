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

COMPLAINT = re.compile(r"\b(?:[A-Za-z_]+\.)*([A-Z][A-Za-z]*(?:Error|Exception|Exit)): (.+)")
"""A traceback's last line, whatever a logger puts before it."""

SEQUELS = (
    "Engine core initialization failed",
    "initialization failed due to an exception",
    "See stack trace",
    "Broken pipe",
)
"""Complaints that only say that something else went wrong."""


class EngineLog:
    """A file without a name that an engine's processes write to instead of the terminal."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None

    @staticmethod
    def hidden() -> bool:
        """Whether engines are to be quiet; they are unless VLLM_LOGGING_LEVEL asks for more than errors."""
        return os.environ.get("VLLM_LOGGING_LEVEL", "ERROR") in ("ERROR", "CRITICAL")

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Let processes that are started within inherit the file as output; Python's own streams stay as they are."""
        if not self.hidden():
            yield
            return
        self._file = self._file or tempfile.TemporaryFile()  # noqa: SIM115  (open for the engine's life)
        with ExitStack() as stack:
            for name, descriptor in (("stdout", 1), ("stderr", 2)):
                stack.enter_context(_replaced(name, descriptor, self._file.fileno()))
            yield

    def reason(self) -> str:
        """Find the first complaint that is no sequel of another; empty where there is none."""
        if self._file is None:
            return ""
        size = os.fstat(self._file.fileno()).st_size
        text = os.pread(self._file.fileno(), min(size, 2**20), max(0, size - 2**20)).decode(errors="replace")
        complaints = [match[2].strip() for match in COMPLAINT.finditer(text)]
        causes = [complaint for complaint in complaints if not any(sequel in complaint for sequel in SEQUELS)]
        return causes[0] if causes else ""

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._file is not None:
            self._file.close()
            self._file = None


@contextmanager
def _replaced(name: str, descriptor: int, file: int) -> Iterator[None]:
    """Point a descriptor at a file, and the Python stream that writes to it at where it pointed before."""
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
