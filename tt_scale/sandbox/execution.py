"""Run a program in a sandbox, and stop it at its limits."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import select
import threading
import time
from functools import cache

from tt_scale.sandbox.limits import Ending, Limits, Result
from tt_scale.sandbox.process import SandboxProcess

__all__ = ["run", "run_code"]

WATCH_SECONDS = 0.05
"""Time between two looks at what the processes of a sandbox hold."""
CHUNK = 1 << 16


async def run_code(code: str, limits: Limits | None = None) -> Result:
    """Run Python code in a sandbox; as many at a time as this machine has processors.

    Args:
        code: a program; lone surrogates in it become question marks.
        limits: of it; None is `Limits()`.

    Raises:
        SandboxError: no sandbox can be made.
    """
    cancelled = threading.Event()
    running = _threads().submit(run, code, limits, cancelled)
    try:
        return await asyncio.wrap_future(running)
    finally:
        cancelled.set()
        if not running.done():
            await asyncio.to_thread(concurrent.futures.wait, [running])


def run(code: str, limits: Limits | None = None, cancelled: threading.Event | None = None) -> Result:
    """Run Python code in a sandbox and wait for it; arguments and errors as of `run_code`.

    The thread that calls has to live until this returns: the sandbox ends with it.

    Args:
        code: as of `run_code`.
        limits: likewise.
        cancelled: ends the program when it is set.
    """
    limits = limits or Limits()
    with SandboxProcess(limits) as sandbox:
        sandbox.send(code.encode("utf-8", "replace"))
        output, ended = _watched(sandbox, limits, cancelled or threading.Event())
        status = None if ended else sandbox.status()
        if not ended and sandbox.control_group and sandbox.control_group.ran_out_of_memory():
            ended = "memory"
    return Result(output[: limits.output].decode("utf-8", "replace"), ended, None if ended else status, limits)


def _watched(sandbox: SandboxProcess, limits: Limits, cancelled: threading.Event) -> tuple[bytes, Ending]:
    """Read the output until it ends or a limit is passed."""
    now = time.monotonic()
    deadline, look = now + limits.seconds, now
    poll = select.poll()
    poll.register(sandbox.output, select.POLLIN)
    output = b""
    while True:
        if poll.poll(1000 * max(0.0, min(look, deadline) - time.monotonic())):
            chunk = os.read(sandbox.output, CHUNK)
            output += chunk
            if not chunk:
                return output, ""
            if len(output) > limits.output:
                return output, "output"
        now = time.monotonic()
        if now >= deadline:
            return output, "time"
        if now >= look:
            look = now + WATCH_SECONDS
            ended: Ending = "cancelled" if cancelled.is_set() else sandbox.group.exceeded(limits)
            if ended:
                return output, ended


@cache
def _threads() -> concurrent.futures.ThreadPoolExecutor:
    """Threads that live as long as this process: bubblewrap ends with the thread that started it."""
    return concurrent.futures.ThreadPoolExecutor(max(2, os.cpu_count() or 1), "tt-scale-sandbox")
