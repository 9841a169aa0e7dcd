"""What becomes of a command whose output nobody reads.

The reader of a pipe has ended (`| head -1`), the disk is full (`> /dev/full`), the terminal was closed. A command that
keeps records goes on to its end. What a full disk cut short is said on standard error, since a file that looks whole
would be believed.
"""

from __future__ import annotations

import errno
import signal
import sys
from contextlib import suppress

from tt_scale.core.safe_stream import plug_descriptors, safe_stream

__all__ = ["Output"]


class Output:
    """Standard output and standard error of a command, made so that no write to them fails.

    Args:
        keeps_records: whether the command's work is in files and not in what it prints.
    """

    def __init__(self, *, keeps_records: bool) -> None:
        self._keeps_records = keeps_records
        self._cut_short = False
        self._errors = sys.stderr

    def secure(self) -> None:
        """Replace the streams; let a command that keeps records survive the end of its terminal, as `nohup` does."""
        plug_descriptors()
        for name, number in (("stdout", 1), ("stderr", 2)):
            if getattr(sys, name) is None:  # closed by who called
                setattr(sys, name, open(number, "w", encoding="utf-8", closefd=False))  # noqa: SIM115  (for good)
        for stream in (sys.stdout, sys.stderr):
            with suppress(AttributeError, ValueError):  # a stream that was replaced or closed
                stream.reconfigure(errors="replace")  # type: ignore[union-attr]
        sys.stderr = self._errors = safe_stream(sys.stderr)
        sys.stdout = safe_stream(sys.stdout, lost=self._lost)
        if self._keeps_records and hasattr(signal, "SIGHUP"):
            with suppress(ValueError):  # not in the main thread
                signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def status(self, status: int) -> int:
        """Write what is left, and give the exit status: 1 where output that is all there is was cut short.

        Args:
            status: of the command.
        """
        sys.stdout.flush()
        return 1 if self._cut_short and not self._keeps_records and status == 0 else status

    def _lost(self, error: OSError) -> None:
        if error.errno == errno.EPIPE:  # its reader had enough
            return
        self._cut_short = True
        kept = " The work goes on, and its files will be complete." if self._keeps_records else ""
        told = f"tt-scale: output can no longer be written: {error.strerror or error}.{kept}"
        print(told, file=self._errors, flush=True)  # `sys.stderr` may be redirected to the console
