"""Cores and memory available to this process within the limits of its container."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["available_cores", "available_memory"]

GROUPS = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")
MEMORY = Path("/proc/meminfo")


def available_cores() -> int:
    """Number of cores that this process may use: its CPU affinity, limited by a container's CPU quota."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([allowed, *[int(quota) for quota in _quotas()]]))


def available_memory() -> int | None:
    """Free bytes of memory on the machine and within the container's limits; None if unknown."""
    free = [*_free(), *_under_limits()]
    return max(0, min(free)) if free else None


def _quotas() -> Iterator[float]:
    """CPU quotas in cores, of each control group that has one; version 2 of control groups, then version 1."""
    for group in _groups("cpu"):
        words = _words(group / "cpu.max") or _words(group / "cpu.cfs_quota_us") + _words(group / "cpu.cfs_period_us")
        if len(words) == 2 and all(word.isdigit() for word in words) and int(words[1]):  # no limit is "max", or -1
            yield int(words[0]) / int(words[1])


def _free() -> Iterator[int]:
    for line in _lines(MEMORY):
        if line.startswith("MemAvailable:"):
            yield int(line.split()[1]) * 1024


def _under_limits() -> Iterator[int]:
    """Free bytes of each control group that limits memory; inactive file cache counts as free."""
    for group in _groups("memory"):
        for limit, usage, dropped in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            words = _words(group / limit) + _words(group / usage)
            if len(words) == 2 and all(word.isdigit() for word in words):
                stat = dict([line.split(maxsplit=1) for line in _lines(group / "memory.stat") if " " in line])
                yield int(words[0]) - int(words[1]) + int(stat.get(dropped, 0))


def _groups(controller: str) -> Iterator[Path]:
    """Folders of the control groups of this process, from its own to the root of each hierarchy."""
    for line in ["0::/", f"0:{controller}:/", *_lines(OWN_GROUPS)]:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        root = GROUPS / controllers.removeprefix("name=") if controllers else GROUPS
        own = root / path.lstrip("/")
        yield from [own, *[each for each in own.parents if each.is_relative_to(root)]]


def _words(file: Path) -> list[str]:
    return [word for line in _lines(file) for word in line.split()]


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except OSError:
        return []
