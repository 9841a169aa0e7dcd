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
from pathlib import Path
from typing import Any

__all__ = ["EngineProcesses", "shielded_from_interrupts"]

GUARD = """
import shutil, signal, sys
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
for folder in sys.argv[1:]:
    shutil.rmtree(folder, ignore_errors=True)
"""
"""Reads process ids, one a line; at "end" it leaves, at the end of the pipe it ends those processes and theirs, and
removes the folders that are its arguments. psutil comes with vLLM, and never mistakes a new process for an old one of
the same number."""

ENDS = {
    -signal.SIGKILL: "its process was killed by signal 9, probably as memory ran out",
    -signal.SIGBUS: "its process died of a bus error, as where /dev/shm is full",
    -signal.SIGILL: "its process died of an instruction that this processor does not have",
    -signal.SIGSEGV: "its process died of a segmentation fault",
}
"""Exit codes of processes that could print no reason."""


class EngineProcesses:
    """The processes that vLLM starts for one engine; from `prepare` to the first one no other engine's may start."""

    def __init__(self) -> None:
        self._before: set[int | None] = set()
        self._known: list[BaseProcess] = []
        self._workers: set[Any] = set()
        self._guard: subprocess.Popen[str] | None = None

    def prepare(self, scratch: Path) -> None:
        """Start the guard, before the engine starts; it removes the engine's temporary folder where nobody else can."""
        self._before = {process.pid for process in multiprocessing.active_children()}
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-c", GUARD, str(scratch)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def notice(self) -> bool:
        """Tell the guard of an engine's process that is new, and say whether there is one."""
        if self._known:
            return True
        for process in multiprocessing.active_children():
            if process.pid not in self._before and process.name.startswith("EngineCore"):
                self._known.append(process)
                self._tell(f"{process.pid}\n")
        return bool(self._known)

    def notice_workers(self) -> None:
        """Remember the workers, for an engine that dies can no longer be asked for them."""
        import psutil  # type: ignore[import-untyped]

        for process in self._known:
            with suppress(psutil.Error):
                self._workers |= set(psutil.Process(process.pid).children(recursive=True))

    def ended(self) -> str:
        """Say how an engine's process ended that was not asked to; empty while it runs, or where it left by itself."""
        codes = [process.exitcode for process in self._known]
        return next((ENDS[code] for code in codes if code in ENDS), "")

    def died(self) -> str:
        """Say that a process has ended, and how; empty while all of them run.

        A worker is watched from the engine's start on, since vLLM itself notices its death only while it serves.
        """
        import psutil

        if any(process.exitcode is not None for process in self._known):
            codes = [process.exitcode for process in self._known if process.exitcode is not None]
            return self.ended() or f"its process ended with status {codes[0]}"
        alive = [worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in self._workers]
        return "" if all(alive) else "one of its worker processes was killed, probably as memory ran out"

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
            try:
                self._guard.communicate(timeout=5)
            except subprocess.TimeoutExpired:  # on a busy machine; the engine has ended, so nothing is left to guard
                self._guard.kill()
                self._guard.communicate()
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
