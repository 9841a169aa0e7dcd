"""Processes of an engine, and a guard process that ends them if this process dies.

vLLM ends its processes when Python exits, but SIGTERM or SIGKILL to this process would leave them running. The guard is
a small process that reads from a pipe; end of file means that this process has ended, in whatever way.
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
"""Reads process ids, one per line. At the line "end" it exits; at end of file it terminates these processes and their
children, and removes the folders that are its arguments. psutil is a dependency of vLLM, and detects reused process
ids."""

EXIT_CAUSES = {
    -signal.SIGKILL: "its process was killed by signal 9, probably because memory ran out",
    -signal.SIGBUS: "its process died of a bus error, as when /dev/shm is full",
    -signal.SIGILL: "its process died of an instruction that this processor does not have",
    -signal.SIGSEGV: "its process died of a segmentation fault",
}
"""Exit codes of processes that could not print a reason."""


class EngineProcesses:
    """Processes of one vLLM engine; between `prepare` and the first of them no other engine may start processes."""

    def __init__(self) -> None:
        self._before: set[int | None] = set()
        self._known: list[BaseProcess] = []
        self._workers: set[Any] = set()
        self._guard: subprocess.Popen[str] | None = None

    def prepare(self, scratch: Path) -> None:
        """Start the guard before the engine starts; it also removes the engine's temporary folder."""
        self._before = {process.pid for process in multiprocessing.active_children()}
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-c", GUARD, str(scratch)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def detect(self) -> bool:
        """Find the engine's process, register it with the guard, and return whether it exists."""
        if self._known:
            return True
        for process in multiprocessing.active_children():
            if process.pid not in self._before and process.name.startswith("EngineCore"):
                self._known.append(process)
                self._send(f"{process.pid}\n")
        return bool(self._known)

    def detect_workers(self) -> None:
        """Record the worker processes, which cannot be listed any more once the engine's process has died."""
        import psutil

        for process in self._known:
            with suppress(psutil.Error):
                self._workers |= set(psutil.Process(process.pid).children(recursive=True))

    def ended(self) -> str:
        """Describe how an engine's process was killed; empty while it runs, or if it exited by itself."""
        codes = [process.exitcode for process in self._known]
        return next((EXIT_CAUSES[code] for code in codes if code in EXIT_CAUSES), "")

    def died(self) -> str:
        """Describe how a process of the engine ended; empty while all of them run.

        Workers are checked too, since vLLM itself detects the death of one only while it serves a request.
        """
        import psutil

        if any(process.exitcode is not None for process in self._known):
            codes = [process.exitcode for process in self._known if process.exitcode is not None]
            return self.ended() or f"its process ended with status {codes[0]}"
        alive = [worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in self._workers]
        return "" if all(alive) else "one of its worker processes was killed, probably because memory ran out"

    def kill(self) -> None:
        """Kill all processes that still run, including workers."""
        import psutil

        self.detect_workers()
        for process in self._known:
            process.kill()
            process.join(timeout=5)
        for worker in self._workers:
            with suppress(psutil.Error):
                worker.kill()

    def release(self) -> None:
        """End the guard after the engine has ended; a second call does nothing."""
        if self._guard is None:
            return
        self._send("end\n")
        with suppress(OSError):
            try:
                self._guard.communicate(timeout=5)
            except subprocess.TimeoutExpired:  # on a busy machine; the engine has ended, so the guard is not needed
                self._guard.kill()
                self._guard.communicate()
        self._guard = None

    def _send(self, line: str) -> None:
        if self._guard is not None and self._guard.stdin is not None:
            with suppress(OSError):
                self._guard.stdin.write(line)
                self._guard.stdin.flush()


@contextmanager
def shielded_from_interrupts() -> Iterator[None]:
    """Block SIGINT in processes that this thread starts within; they inherit the mask, and vLLM does not change it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
