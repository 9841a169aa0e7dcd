"""What a program in the sandbox may use, and what came of running it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Ending", "Limits", "Result"]

Ending = Literal["", "time", "output", "memory", "processes", "files", "cancelled"]
"""Which limit ended a program; empty where it ended by itself."""

MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one execution. Memory, processes, files and output count for the program and all its children together.

    Attributes:
        seconds: of wall clock, and of processor time for each process; at least 1.
        memory: bytes that all processes hold together, and of address space for each; at least 64 MiB.
        processes: processes and threads at a time; at least 4.
        output: bytes of standard output and standard error that are kept; at least 1.
        files: bytes that fit into `/tmp`, the one folder that can be written; at least 1.
    """

    seconds: int = 10
    memory: int = 1 << 30
    processes: int = 32
    output: int = 4096
    files: int = 16 << 20

    @property
    def most_files(self) -> int:
        """Files and folders that `/tmp` may hold: one for each 4 KiB of it, since an empty one takes memory too."""
        return self.files // 4096


@dataclass(frozen=True, slots=True)
class Result:
    """What a program printed, and how it ended.

    Attributes:
        output: standard output and standard error as they were written, cut at the limit; bytes that are not UTF-8 are
            replaced.
        ended: the limit that ended it; empty where it ended by itself.
        status: its exit status, 128 and the signal's number where a signal ended it; None where a limit did.
        limits: that it ran under.
    """

    output: str
    ended: Ending
    status: int | None
    limits: Limits

    @property
    def text(self) -> str:
        """The output, with a last line that names the limit where one ended the program."""
        return self.output if not self.ended else f"{self.output}\n{self._sentence()}\n".lstrip("\n")

    def _sentence(self) -> str:
        limits = self.limits
        reasons = {
            "time": f"after {limits.seconds} seconds",
            "output": f"it printed more than {limits.output} bytes",
            "memory": f"it used more than {limits.memory // MEBIBYTE} MiB of memory",
            "processes": f"it started more than {limits.processes} processes",
            "files": f"its files took more than {limits.files // MEBIBYTE} MiB, or were more than {limits.most_files}",
            "cancelled": "it was no longer wanted",
        }
        return f"Stopped: {reasons[self.ended]}."
