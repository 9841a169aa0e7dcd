"""Limits and result of a program in the sandbox."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Ending", "Limits", "Result"]

Ending = Literal["", "time", "output", "memory", "processes", "files", "cancelled"]
"""Limit that stopped a program; empty if it ended by itself."""

MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one execution. Memory, processes, files and output count for the program and all its children together.

    Attributes:
        seconds: wall-clock time, and processor time of each process, in seconds; at least 1.
        memory: memory of all processes together, and address space of each, in bytes; at least 64 MiB.
        processes: number of processes and threads at a time; at least 4.
        output: size of standard output and standard error together, in bytes; at least 1.
        files: size of `/tmp`, the only writable folder, in bytes; at least 1.
    """

    seconds: int = 10
    memory: int = 1 << 30
    processes: int = 32
    output: int = 4096
    files: int = 16 << 20

    @property
    def most_files(self) -> int:
        """Maximum number of files and folders in `/tmp`: one for each 4 KiB, since an empty one uses memory, too."""
        return self.files // 4096


@dataclass(frozen=True, slots=True)
class Result:
    """Output of a program, and how it ended.

    Attributes:
        output: standard output and standard error in the order of writing, cut at the limit; bytes that are not UTF-8
            are replaced.
        ended: limit that stopped it; empty if it ended by itself.
        status: exit status, or 128 plus the number of the signal that ended it; None if a limit stopped it.
        limits: limits of the execution.
    """

    output: str
    ended: Ending
    status: int | None
    limits: Limits

    @property
    def text(self) -> str:
        """The output, with a last line that names the limit if one stopped the program."""
        return self.output if not self.ended else f"{self.output}\n{self._sentence()}\n".lstrip("\n")

    def _sentence(self) -> str:
        limits = self.limits
        reasons = {
            "time": f"after {limits.seconds} seconds",
            "output": f"it printed more than {limits.output} bytes",
            "memory": f"it used more than {limits.memory // MEBIBYTE} MiB of memory",
            "processes": f"it started more than {limits.processes} processes",
            "files": f"its files took more than {limits.files // MEBIBYTE} MiB, or were more than {limits.most_files}",
            "cancelled": "the search ended",
        }
        return f"Stopped: {reasons[self.ended]}."
