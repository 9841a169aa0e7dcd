"""Limits that a grading worker sets on itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tt_scale.grading.sandbox import _resident, alarm

unix = pytest.mark.skipif(sys.platform == "win32", reason="there are no alarms")


@unix
def test_an_alarm_is_set_within_the_block_and_cleared_after_it() -> None:
    """An alarm that stays set would kill a worker between two comparisons."""
    with alarm(100.0):
        remaining, _ = signal.getitimer(signal.ITIMER_REAL)
        assert 100.0 < remaining <= 101.0
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@unix
def test_an_alarm_ends_a_process_that_runs_no_python_code() -> None:
    """A long integer power lets no thread of the worker run, and its parent may be gone."""
    code = "import signal\nfrom tt_scale.grading.sandbox import alarm\nimport tt_scale.grading.sandbox as sandbox\n"
    code += "sandbox._GRACE = 0.0\nwith alarm(0.2):\n    9 ** 9 ** 9"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == -signal.SIGALRM


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="memory is read in /proc")
def test_resident_memory() -> None:
    """Zero would never reach the limit; a value in pages or KiB would reach it a thousand times too late."""
    assert 5 << 20 < _resident() < 1 << 40
