"""Control group (version 2) of a sandbox, if this process can create one: the kernel then enforces the limits.

This needs a writable cgroup that delegates `memory` and `pids` to its children: root under systemd has one, other users
often do, containers seldom. The processes of a sandbox are monitored in any case (`process_group.py`).
"""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path

from tt_scale.sandbox.limits import Limits

__all__ = ["ControlGroup", "find_parent"]

PREFIX = "tt-scale-"
NEEDED = {"memory", "pids"}
OWN_PROCESSES = 1
"""Process 1 of a sandbox is bubblewrap's."""


@cache
def find_parent(proc: Path = Path("/proc/self")) -> Path | None:
    """Find the nearest ancestor cgroup of this process in which cgroups can be created; None if there is none.

    Args:
        proc: folder of this process in `/proc`.
    """
    try:
        paths = re.findall(r"^0::/(.*)$", (proc / "cgroup").read_text(), re.MULTILINE)
        mounts = re.findall(r"^\S+ \S+ \S+ / (\S+) .* - cgroup2 ", (proc / "mountinfo").read_text(), re.MULTILINE)
    except OSError:
        return None
    for mount in map(Path, mounts[:1] if paths else ()):
        own = mount / paths[0]
        return next((each for each in (own, *own.parents) if mount in (each, *each.parents) and _delegates(each)), None)
    return None


class ControlGroup:
    """A cgroup with the limits of a sandbox.

    Args:
        parent: result of `find_parent`.
        limits: limits of the sandbox.

    Raises:
        OSError: it cannot be created.
    """

    def __init__(self, parent: Path, limits: Limits) -> None:
        _remove_left_over(parent)
        self._folder = parent / f"{PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
        self._folder.mkdir()
        try:
            self._write("memory.max", limits.memory)
            self._write("pids.max", limits.processes + OWN_PROCESSES)
            with suppress(OSError):  # without swap there is no such file
                self._write("memory.swap.max", 0)
            with suppress(OSError):
                self._write("memory.oom.group", 1)
        except OSError:
            self.remove()
            raise

    def add(self, processes: Iterable[int]) -> None:
        """Move processes into the cgroup; processes that they start later belong to it, too.

        Raises:
            OSError: this process is not allowed to.
        """
        for number in processes:
            self._write("cgroup.procs", number)

    def ran_out_of_memory(self) -> bool:
        """Whether the kernel killed its processes because of the memory limit."""
        try:
            events = (self._folder / "memory.events").read_text()
        except OSError:
            return False
        return re.search(r"^oom_kill [1-9]", events, re.MULTILINE) is not None

    def remove(self) -> None:
        """Remove the cgroup after its processes have ended."""
        for _ in range(100):
            try:
                self._folder.rmdir()
            except FileNotFoundError:
                return
            except OSError:  # the kernel still counts a process that has just ended
                time.sleep(0.01)
            else:
                return

    def _write(self, name: str, value: int) -> None:
        (self._folder / name).write_text(str(value))


def _delegates(folder: Path) -> bool:
    try:
        controllers = (folder / "cgroup.subtree_control").read_text().split()
    except OSError:
        return False
    return set(controllers) >= NEEDED and os.access(folder, os.W_OK | os.X_OK)


def _remove_left_over(parent: Path) -> None:
    """Remove cgroups of processes that were killed."""
    for folder in parent.glob(f"{PREFIX}*"):
        owner = folder.name.removeprefix(PREFIX).partition("-")[0]
        if not Path("/proc", owner).exists():
            with suppress(OSError):
                folder.rmdir()
