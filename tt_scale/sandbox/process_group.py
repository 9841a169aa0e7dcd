"""What all processes of a sandbox hold together, read in its own `/proc` from outside.

The sandbox's `/proc` lists its processes and no others, whoever their parent is, so nothing that forks can hide.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from tt_scale.sandbox.limits import Ending, Limits

__all__ = ["ProcessGroup", "children_of"]

HELD = re.compile(rb"^(?:RssAnon|RssShmem|VmSwap):\s+(\d+) kB$", re.MULTILINE)
"""Memory that belongs to a process, resident or swapped out; pages of files are the kernel's to drop."""

OWN_PROCESSES = 1
"""Process 1 is bubblewrap's."""


class ProcessGroup:
    """The processes of one sandbox.

    Args:
        first: number of its process 1, as this process sees it; its root has been set up.

    Raises:
        OSError: it is gone, or its root may not be looked at.
    """

    def __init__(self, first: int) -> None:
        self._processes = os.open(f"/proc/{first}/root/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._files = os.open(f"/proc/{first}/root/tmp", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            os.close(self._processes)
            raise

    def close(self) -> None:
        """Let go of its folders."""
        os.close(self._processes)
        os.close(self._files)

    def ended(self) -> bool:
        """Whether process 1 has ended, which it does as the last one."""
        state = re.search(rb"^State:\s+(\w)", self._status("1"), re.MULTILINE)
        return state is None or state[1] in b"ZX"

    def memory(self) -> int:
        """Bytes that its processes hold together; a page that two share counts twice."""
        held = [HELD.findall(self._status(number)) for number in self._numbers()]
        return 1024 * sum([int(kibibytes) for each in held for kibibytes in each])

    def exceeded(self, limits: Limits) -> Ending:
        """The limit that it has passed, if any."""
        if len(self._numbers()) > limits.processes + OWN_PROCESSES:
            return "processes"
        if self.memory() > limits.memory:
            return "memory"
        disk = os.fstatvfs(self._files)
        taken = (disk.f_blocks - disk.f_bfree) * disk.f_frsize
        return "files" if taken > limits.files or disk.f_files - disk.f_ffree > limits.most_files else ""

    def _numbers(self) -> list[str]:
        try:
            return [name for name in os.listdir(self._processes) if name.isdigit()]
        except OSError:
            return []

    def _status(self, number: str) -> bytes:
        """Of one process, as it numbers itself; empty where it has ended."""
        try:
            file = os.open(f"{number}/status", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._processes)
        except OSError:
            return b""
        try:
            return os.read(file, 8192)
        except OSError:
            return b""
        finally:
            os.close(file)


def children_of(parent: int) -> list[int]:
    """The numbers of a process's children, as this process sees them."""
    try:
        return [int(word) for word in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
    except OSError:  # a kernel that keeps no such list
        return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/stat") if _parent_of(path) == parent]


def _parent_of(stat: Path) -> int:
    try:
        return int(stat.read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0
