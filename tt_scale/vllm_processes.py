"""The processes of an engine, and a guard that ends them however this process ends.

vLLM ends its processes when Python exits; a SIGTERM or SIGKILL to this process leaves them alive, holding memory.
The guard is a tiny process that waits for the end of a pipe, which comes however its writer dies.
"""

from __future__ import annotations

import multiprocessing
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.process import BaseProcess
from typing import Any

__all__ = ["EngineProcesses", "shielded_from_interrupts"]

GUARD = """
import signal, sys
import psutil
signal.signal(signal.SIGINT, signal.SIG_IGN)
engines = []
for line in sys.stdin:
    if line == "end\\n":
        sys.exit()
    try:
        engines.append(psutil.Process(int(line)))
    except psutil.Error:
        pass
everything = []
for engine in engines:
    try:
        everything += [engine, *engine.children(recursive=True)]
        engine.terminate()
    except psutil.Error:
        pass
for process in psutil.wait_procs(everything, timeout=8)[1]:
    try:
        process.kill()
    except psutil.Error:
        pass
"""
"""Reads process ids, one a line; at "end" it leaves, at the end of the pipe it ends those processes and theirs.
psutil comes with vLLM, and never mistakes a new process for an old one of the same number."""


class EngineProcesses:
    """The processes that vLLM starts for one engine; engines must start one after the other."""

    def __init__(self) -> None:
        self._before: set[int | None] = set()
        self._known: list[BaseProcess] = []
        self._workers: set[Any] = set()
        self._guard: subprocess.Popen[str] | None = None

    def prepare(self) -> None:
        """Start the guard, before the engine starts."""
        self._before = {process.pid for process in multiprocessing.active_children()}
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-c", GUARD],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def notice(self) -> None:
        """Tell the guard of processes that are new; while the engine starts these can only be its own."""
        known = self._before.union(process.pid for process in self._known)
        for process in multiprocessing.active_children():
            if process.pid not in known and process.name.startswith("EngineCore"):
                self._known.append(process)
                self._tell(f"{process.pid}\n")

    def notice_workers(self) -> None:
        """Remember the workers, for an engine that dies can no longer be asked for them."""
        import psutil  # type: ignore[import-untyped]

        for process in self._known:
            with suppress(psutil.Error):
                self._workers |= set(psutil.Process(process.pid).children(recursive=True))

    def kill(self) -> None:
        """End at once what still runs, workers included."""
        import psutil

        self.notice_workers()
        for process in self._known:
            process.kill()
            process.join(timeout=5)
        for worker in self._workers:
            with suppress(psutil.Error):
                worker.kill()

    def release(self) -> None:
        """Dismiss the guard, once the engine has ended; a second call does nothing."""
        if self._guard is None:
            return
        self._tell("end\n")
        with suppress(OSError):
            self._guard.communicate(timeout=5)
        self._guard = None

    def _tell(self, line: str) -> None:
        if self._guard is not None and self._guard.stdin is not None:
            with suppress(OSError):
                self._guard.stdin.write(line)
                self._guard.stdin.flush()


@contextmanager
def shielded_from_interrupts() -> Iterator[None]:
    """Keep Ctrl-C from processes that this thread starts within: the mask is inherited, and vLLM leaves it alone."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
