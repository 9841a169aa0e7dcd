"""What a process may use of a machine, with the files of several kinds of containers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import tt_scale.engines.machine as machine

GIB = 2**30


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine of 16 cores and 8 free GiB that limits nothing."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(16)), raising=False)
    for name in ("GROUPS", "OWN_GROUPS", "MEMORY"):
        monkeypatch.setattr(machine, name, tmp_path / name.lower())
    write(tmp_path / "memory", f"MemTotal: 99 kB\nMemAvailable:   {8 * 2**20} kB\n")
    return tmp_path


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_nothing_is_limited() -> None:
    """All cores, and what is free."""
    assert machine.available_cores() == 16
    assert machine.available_memory() == 8 * GIB


@pytest.mark.parametrize(
    ("quota", "cores"),
    [("200000 100000", 2), ("250000 100000", 2), ("50000 100000", 1), ("max 100000", 16), ("", 16), ("5 0", 16)],
)
def test_a_container_of_version_two(quota: str, cores: int, bare: Path) -> None:
    """`docker --cpus 2` on 16 cores: engines with 15 threads each crawled."""
    write(bare / "groups/cpu.max", quota + "\n")
    assert machine.available_cores() == cores


@pytest.mark.parametrize(("quota", "cores"), [("300000", 3), ("-1", 16)])
def test_a_container_of_version_one(quota: str, cores: int, bare: Path) -> None:
    """The older files say -1 for no limit."""
    write(bare / "groups/cpu/cpu.cfs_quota_us", quota + "\n")
    write(bare / "groups/cpu/cpu.cfs_period_us", "100000\n")
    assert machine.available_cores() == cores


def test_a_group_above_limits_as_well(bare: Path) -> None:
    """The least of all limits counts, from a process's own group to the root."""
    write(bare / "own_groups", "0::/user/session\n3:cpuset:/\n")
    write(bare / "groups/user/cpu.max", "400000 100000\n")
    write(bare / "groups/user/session/cpu.max", "max 100000\n")
    assert machine.available_cores() == 4
    write(bare / "own_groups", "12:cpu,cpuacct:/job\n")
    write(bare / "groups/cpu,cpuacct/job/cpu.cfs_quota_us", "100000\n")
    write(bare / "groups/cpu,cpuacct/job/cpu.cfs_period_us", "100000\n")
    assert machine.available_cores() == 1


def test_a_mask_and_a_quota(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`taskset` on one core."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3}, raising=False)
    write(bare / "groups/cpu.max", "400000 100000\n")
    assert machine.available_cores() == 1


def test_memory_of_a_container(bare: Path) -> None:
    """`docker --memory 2g`: the machine's free memory is not the container's; read files can be dropped."""
    write(bare / "groups/memory.max", f"{2 * GIB}\n")
    write(bare / "groups/memory.current", f"{GIB}\n")
    write(bare / "groups/memory.stat", f"anon 5\ninactive_file {GIB // 2}\n")
    assert machine.available_memory() == 3 * GIB // 2
    write(bare / "groups/memory.max", "max\n")
    assert machine.available_memory() == 8 * GIB


def test_memory_of_an_older_container(bare: Path) -> None:
    """A limit below what is used leaves nothing, not less."""
    write(bare / "groups/memory/memory.limit_in_bytes", f"{GIB}\n")
    write(bare / "groups/memory/memory.usage_in_bytes", f"{2 * GIB}\n")
    assert machine.available_memory() == 0


def test_a_system_without_limits_in_proc(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """macOS has none of these files, and no affinity."""
    (bare / "memory").unlink()
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert machine.available_memory() is None
    assert machine.available_cores() == 1
