"""A termination signal ends a command within its grace, also one that blocks its event loop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from commands import heed_signals

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")

PROGRAM = """
import asyncio, sys, time
from tt_scale.bench.run import signals
from tt_scale.errors import EngineDeadError
signals.GRACE = float(sys.argv[2])

async def waits():
    print("begun", flush=True)
    try:
        await asyncio.sleep(60)
    finally:
        print("closed", flush=True)

async def blocks():
    print("begun", flush=True)
    time.sleep(60)

async def dies_with_the_engine():
    print("begun", flush=True)
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        raise EngineDeadError("The engine died.") from None

async def hangs_while_closing():
    try:
        await waits()
    finally:
        await asyncio.sleep(60)

try:
    signals.wait_for(globals()[sys.argv[1]]())
except asyncio.CancelledError:
    sys.exit(7)
"""


def ended(work: str, grace: float, *numbers: int) -> tuple[int, str, float]:
    """Status, output, and seconds from the first signal to the end."""
    with started(work, grace) as process:
        began = time.monotonic()
        for number in numbers:
            process.send_signal(number)
            time.sleep(0.3)
        out, _ = process.communicate(timeout=50)
        return process.returncode, out, time.monotonic() - began


@contextmanager
def started(work: str, grace: float) -> Iterator[subprocess.Popen[str]]:
    """The program at work; killed where a test fails."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, work, str(grace)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_signals,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_work_that_listens_closes_what_it_opened(number: int) -> None:
    status, out, _ = ended("waits", 30, number)
    assert (status, out) == (7, "closed\n")


@pytest.mark.parametrize("work", ["blocks", "hangs_while_closing"])
def test_the_grace_ends(work: str) -> None:
    status, _, seconds = ended(work, 1.0, signal.SIGTERM)
    assert status == 143
    assert seconds > 0.9


@pytest.mark.parametrize("work", ["blocks", "hangs_while_closing"])
def test_a_second_signal_ends_it_at_once(work: str) -> None:
    status, _, seconds = ended(work, 40, signal.SIGTERM, signal.SIGTERM)
    assert status == 143
    assert seconds < 30


def test_ctrl_c_is_as_before() -> None:
    with started("waits", 30) as process:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=50)
    assert out == "closed\n"
    assert err.endswith("KeyboardInterrupt\n")


def test_an_engine_that_ctrl_c_ends_first_is_an_interrupt() -> None:
    """A terminal sends it to the whole process group."""
    with started("dies_with_the_engine", 30) as process:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=50)
    assert err.endswith("KeyboardInterrupt\n")
