"""A model that hangs costs a restart, then the run, but never a record."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path

import pytest
from commands import finish, records, start
from outside import install

RUN = (
    "bench", "--model-name", "hanging", "--generator", "hanging", "--prm-name", "simulated", "--prm", "simulated",
    "--dataset", "simulated", "--num-samples", "30", "--method", "best_of_n", "--concurrency", "4", "--run-tag", "t",
)  # fmt: skip


def folder_of(tmp_path: Path, name: str) -> Path:
    folder = tmp_path / name
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory, site: Path) -> Path:
    folder = tmp_path_factory.mktemp("unbroken")
    assert finish(start(*RUN, folder=folder, site=site, OUTSIDE_HANGS="0"), folder).status == 0
    return folder


def test_the_first_stall_is_a_restart(tmp_path: Path, site: Path, unbroken: Path) -> None:
    folder = folder_of(tmp_path, "once")
    answer = finish(start(*RUN, "--stall-timeout", "3", folder=folder, site=site, OUTSIDE_HANGS="1"), folder)
    assert answer.status == 0, answer.err
    told = r"warning: No answer from the generator \(Hanging\) for \d+ s\. The models are restarted, once; what was in"
    assert re.search(told, answer.out)
    assert records(folder) == records(unbroken)


def test_the_second_stall_ends_the_run_and_it_goes_on(tmp_path: Path, site: Path, unbroken: Path) -> None:
    folder = folder_of(tmp_path, "twice")
    answer = finish(start(*RUN, "--stall-timeout", "3", folder=folder, site=site, OUTSIDE_HANGS="2"), folder)
    assert answer.status == 3
    assert re.search(r"No answer from the generator \(Hanging\) for \d+ s\.", answer.err)
    assert "--stall-timeout" in answer.err
    assert "Finished work is kept" in answer.err
    assert "Traceback" not in answer.err
    resumed = finish(start(*RUN, folder=folder, site=site, OUTSIDE_HANGS="0"), folder)
    assert resumed.status == 0
    assert records(folder) == records(unbroken)


def test_a_backend_that_blocks_the_loop_is_terminated(tmp_path: Path, site: Path) -> None:
    """Within ten seconds of SIGTERM, which the event loop never gets to see."""
    folder = folder_of(tmp_path, "blocked")
    blocking = [word.replace("hanging", "blocking") for word in RUN]
    process = start(*blocking, folder=folder, site=site)
    end = time.monotonic() + 60
    while not list(folder.rglob("problems.jsonl")):
        assert time.monotonic() < end
        time.sleep(0.05)
    time.sleep(1)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(40) == 143
    assert time.monotonic() - began < 30  # ten, and what a busy machine adds
