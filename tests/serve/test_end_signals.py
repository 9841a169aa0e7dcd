"""The end of a server whose event loop is blocked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip("fastapi")

BLOCKED = """
import asyncio
from tt_scale.serve.end_signals import ending_at_signals

async def serve():
    with ending_at_signals(lambda: print("ended", flush=True)):
        print("blocked", flush=True)
        while {condition}:
            {work}

asyncio.run(serve())
"""


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_a_process_whose_event_loop_is_blocked(number: signal.Signals) -> None:
    """The handlers of an event loop wait for it: two Ctrl-C, and the server was still there."""
    code = BLOCKED.format(condition="True", work="pass")
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "blocked\n"
            until = time.monotonic() + 120
            while process.poll() is None:
                assert time.monotonic() < until
                process.send_signal(number)  # more than two, since two at the same moment are one
                try:
                    process.wait(0.1)
                except subprocess.TimeoutExpired:
                    continue
            assert process.returncode == 128 + number
            assert process.stdout.read() == ""
        finally:
            process.kill()


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_each_signal_is_answered_in_the_event_loop() -> None:
    code = BLOCKED.format(condition="True", work="await asyncio.sleep(0.01)")
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "blocked\n"
            process.send_signal(signal.SIGTERM)
            assert process.stdout.readline() == "ended\n"
            process.send_signal(signal.SIGINT)
            assert process.stdout.readline() == "ended\n"
        finally:
            process.kill()
