"""Execution of a program in a sandbox, within its limits."""

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
"""Interval at which the resources of a sandbox's processes are checked."""
CHUNK = 1 << 16


async def run_code(code: str, limits: Limits | None = None) -> Result:
    """Run Python code in a sandbox; at most one per processor at a time.

    Args:
        code: source of a program; lone surrogates become question marks.
        limits: limits of the execution; None means `Limits()`.

    Raises:
        SandboxError: no sandbox can be created.
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
    """Run Python code in a sandbox and wait for it; errors as for `run_code`.

    The sandbox is killed if the calling thread ends.

    Args:
        code: as for `run_code`.
        limits: as for `run_code`.
        cancelled: stops the program when it is set.
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
    """Read the output until it ends or a limit is exceeded."""
    now = time.monotonic()
    deadline, next_check = now + limits.seconds, now
    poll = select.poll()
    poll.register(sandbox.output, select.POLLIN)
    output = b""
    while True:
        if poll.poll(1000 * max(0.0, min(next_check, deadline) - time.monotonic())):
            chunk = os.read(sandbox.output, CHUNK)
            output += chunk
            if not chunk:
                return output, ""
            if len(output) > limits.output:
                return output, "output"
        now = time.monotonic()
        if now >= deadline:
            return output, "time"
        if now >= next_check:
            next_check = now + WATCH_SECONDS
            ended: Ending = "cancelled" if cancelled.is_set() else sandbox.group.exceeded(limits)
            if ended:
                return output, ended


@cache
def _threads() -> concurrent.futures.ThreadPoolExecutor:
    """Thread pool for the life of this process, since bubblewrap ends with the thread that started it."""
    return concurrent.futures.ThreadPoolExecutor(max(2, os.cpu_count() or 1), "tt-scale-sandbox")
