"""Worker processes that do not import the main script."""

from __future__ import annotations

import sys

import pytest

from tt_scale.grading.spawning import WorkerProcess, _without_main, worker_context


def test_a_worker_gets_no_main_module() -> None:
    """A script without a main guard would run all of its work again in each grading worker."""
    preparation = _without_main("worker")
    assert preparation["sys_path"]
    assert not [key for key in preparation if key.startswith("init_main")]


@pytest.mark.skipif(sys.platform == "win32", reason="the standard context is used there")
def test_the_context_starts_such_processes() -> None:
    """`multiprocessing` chooses the process class by its context."""
    assert worker_context().Process is WorkerProcess
