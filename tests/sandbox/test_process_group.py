"""Resources of a process and its children, read in /proc."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tt_scale.sandbox.limits import Limits
from tt_scale.sandbox.process_group import ProcessGroup, _parent_of, children_of

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def test_children() -> None:
    """The first process inside a sandbox is found as the child of bubblewrap."""
    with subprocess.Popen(["sleep", "30"]) as child:
        assert child.pid in children_of(os.getpid())
        assert _parent_of(Path(f"/proc/{child.pid}/stat")) == os.getpid()
        child.kill()
    assert _parent_of(Path("/proc/none/stat")) == 0


def test_limits_of_a_group() -> None:
    """A limit that is compared with another unit, or a process that is not counted."""
    try:
        group = ProcessGroup(os.getpid())
    except OSError as error:
        pytest.skip(f"the root of a process cannot be opened here: {error}")
    try:
        assert not group.ended()
        assert group.memory() > 1 << 20
        assert group.exceeded(Limits(memory=1 << 60, processes=0, files=1 << 60)) == "processes"
        assert group.exceeded(Limits(memory=1, processes=1 << 30, files=1 << 60)) == "memory"
    finally:
        group.close()
