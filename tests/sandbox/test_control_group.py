"""cgroups: where one can be made, and what is written there; the kernel's part is a folder here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tt_scale.sandbox.control_group import ControlGroup, find_parent
from tt_scale.sandbox.limits import Limits


def machine(tmp_path: Path, own: str, controllers: dict[str, str]) -> Path:
    """A /proc/self and a mounted cgroup2, whose folders delegate controllers to their children."""
    mount, proc = tmp_path / "cgroup", tmp_path / "proc"
    for name, delegated in controllers.items():
        (mount / name).mkdir(parents=True, exist_ok=True)
        (mount / name / "cgroup.subtree_control").write_text(delegated)
    proc.mkdir()
    (proc / "cgroup").write_text(f"4:memory:/old\n0::{own}\n")
    (proc / "mountinfo").write_text(
        f"30 24 0:26 / /sys rw - sysfs sysfs rw\n31 30 0:27 / {mount} rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"
    )
    return proc


def test_the_nearest_that_delegates(tmp_path: Path) -> None:
    """A cgroup with processes in it gives its children no controllers, so it is never the own one."""
    told = {"": "cpu memory pids", "user": "memory pids", "user/session": ""}
    assert find_parent(machine(tmp_path, "/user/session", told)) == tmp_path / "cgroup/user"


@pytest.mark.parametrize("told", [{"": "", "user": ""}, {"": "cpu", "user": "memory"}, {}])
def test_none_that_delegates(tmp_path: Path, told: dict[str, str]) -> None:
    assert find_parent(machine(tmp_path, "/user", told)) is None


def test_no_second_version(tmp_path: Path) -> None:
    assert find_parent(tmp_path) is None
    proc = machine(tmp_path, "/", {"": "memory pids"})
    (proc / "mountinfo").write_text("31 30 0:27 / /sys/fs/cgroup rw - cgroup cgroup rw,memory\n")
    assert find_parent(proc) is None


def test_limits_are_written_before_anything_runs(tmp_path: Path) -> None:
    group = ControlGroup(tmp_path, Limits(memory=1 << 20, processes=9))
    [folder] = tmp_path.iterdir()
    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        "memory.max": "1048576",
        "memory.swap.max": "0",
        "memory.oom.group": "1",
        "pids.max": "10",
    }
    group.add([41, 42])
    assert (folder / "cgroup.procs").read_text() == "42"
    assert not group.ran_out_of_memory()
    (folder / "memory.events").write_text("low 0\noom 1\noom_kill 3\noom_group_kill 1\n")
    assert group.ran_out_of_memory()


def test_what_a_killed_search_left_is_removed(tmp_path: Path) -> None:
    dead, alive, foreign = tmp_path / "tt-scale-4194305-ab", tmp_path / "tt-scale-1-cd", tmp_path / "other"
    for folder in (dead, alive, foreign):
        folder.mkdir()
    ControlGroup(tmp_path, Limits())
    assert not dead.exists()
    assert alive.exists()
    assert foreign.exists()
