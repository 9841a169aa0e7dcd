"""Resources of all processes of a sandbox, read from outside in the sandbox's own `/proc`.

It lists exactly the processes of the sandbox, whatever their parent is, so that no forked process can hide.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from tt_scale.sandbox.limits import Ending, Limits

__all__ = ["ProcessGroup", "children_of"]

HELD = re.compile(rb"^(?:RssAnon|RssShmem|VmSwap):\s+(\d+) kB$", re.MULTILINE)
"""Memory of a process, resident or swapped out; pages of files do not count, since the kernel can drop them."""

OWN_PROCESSES = 1
"""Process 1 is bubblewrap's."""


class ProcessGroup:
    """The processes of one sandbox.

    Args:
        first: id of its process 1, as this process sees it; its root has been set up.

    Raises:
        OSError: it has ended, or its root is not accessible.
    """

    def __init__(self, first: int) -> None:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        self._processes = os.open(f"/proc/{first}/root/proc", flags)
        try:
            self._files = os.open(f"/proc/{first}/root/tmp", flags)
        except OSError:
            os.close(self._processes)
            raise

    def close(self) -> None:
        """Close the descriptors of its folders."""
        os.close(self._processes)
        os.close(self._files)

    def ended(self) -> bool:
        """Whether process 1 has ended; it is always the last one."""
        state = re.search(rb"^State:\s+(\w)", self._status("1"), re.MULTILINE)
        return state is None or state[1] in b"ZX"

    def memory(self) -> int:
        """Memory of its processes in bytes; a page that two share counts twice."""
        return 1024 * sum([self._held(number) for number in self._numbers()])

    def exceeded(self, limits: Limits) -> Ending:
        """The limit that it exceeds, if any."""
        if len(self._numbers()) > limits.processes + OWN_PROCESSES:
            return "processes"
        if self.memory() > limits.memory:
            return "memory"
        disk = os.fstatvfs(self._files)
        taken = (disk.f_blocks - disk.f_bfree) * disk.f_frsize
        return "files" if taken > limits.files or disk.f_files - disk.f_ffree > limits.most_files else ""

    def _held(self, number: str) -> int:
        """Memory of a process in KiB; if its first thread has ended, only the other threads report it."""
        sizes = HELD.findall(self._status(number))
        if not sizes:
            threads = [HELD.findall(self._status(f"{number}/task/{each}")) for each in self._numbers(f"{number}/task")]
            sizes = next(filter(None, threads), [])
        return sum(map(int, sizes))

    def _numbers(self, folder: str = "") -> list[str]:
        """Ids of its processes, or of the threads of one, within the sandbox."""
        try:
            return [name for name in os.listdir(f"/proc/self/fd/{self._processes}/{folder}") if name.isdigit()]
        except OSError:
            return []

    def _status(self, process: str) -> bytes:
        """Status of a process or thread; empty if it has ended."""
        try:
            return Path(f"/proc/self/fd/{self._processes}/{process}/status").read_bytes()
        except OSError:
            return b""


def children_of(parent: int) -> list[int]:
    """Ids of a process's children, as this process sees them."""
    try:
        return [int(word) for word in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
    except OSError:  # a kernel without this list
        return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/stat") if _parent_of(path) == parent]


def _parent_of(stat: Path) -> int:
    try:
        return int(stat.read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0
