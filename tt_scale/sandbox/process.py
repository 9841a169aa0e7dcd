"""One sandbox: started with bubblewrap, handed its program, ended with all that runs in it.

    with SandboxProcess(limits) as sandbox:
        sandbox.send(b"print(1 + 1)")
        ...read sandbox.output to its end...

The first program inside (`inside.py`) writes a zero byte when the sandbox is ready, and gets the code then. It ends
where the code is not complete, so that nothing runs after a search that was killed while it started a sandbox.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, cast

from tt_scale.errors import SandboxError
from tt_scale.sandbox.advice import failed_start
from tt_scale.sandbox.bubblewrap import FIRST_PROGRAM, find_bubblewrap, first_program, options, run_python
from tt_scale.sandbox.control_group import ControlGroup, find_parent
from tt_scale.sandbox.limits import Limits
from tt_scale.sandbox.process_group import ProcessGroup, children_of
from tt_scale.sandbox.system_calls import seccomp_filter
from tt_scale.sandbox.user_namespace import open_user_namespace

__all__ = ["SandboxProcess"]

START_SECONDS, END_SECONDS = 60.0, 30.0
"""A sandbox is ready in a tenth of a second, and ends sooner; a machine under load may look away for seconds."""
MOST_TOLD = 2000
"""Bytes that are read of what bubblewrap says where it fails."""


class SandboxProcess:
    """A sandbox that waits for its program.

    Args:
        limits: of the program.

    Attributes:
        first: number of its process 1, as this process sees it.
        group: all its processes.
        control_group: the cgroup around them; None where none can be made.

    Raises:
        SandboxError: it cannot be made; the message says why.
    """

    def __init__(self, limits: Limits) -> None:
        self._deadline = time.monotonic() + START_SECONDS
        self.control_group: ControlGroup | None = None
        self._process = _started(limits)
        try:
            self._wait_until_ready()
            self.first = next(iter(children_of(self._process.pid)), 0)
            self.group = self._members()
            self._enclose(limits)
        except BaseException:
            self._stop()
            raise

    def __enter__(self) -> SandboxProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def output(self) -> int:
        """File descriptor of standard output and standard error; where it ends, the program has ended."""
        return cast(BinaryIO, self._process.stdout).fileno()

    def send(self, code: bytes) -> None:
        """Hand over the program, which begins at once.

        Args:
            code: Python in UTF-8.
        """
        stdin = cast(BinaryIO, self._process.stdin)
        with suppress(OSError):  # it has ended already, which the reader of its output sees
            stdin.write(len(code).to_bytes(8, "big") + code)
            stdin.close()

    def status(self) -> int | None:
        """The exit status of the program, once its output has ended; None where bubblewrap tells none."""
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(END_SECONDS)
        return None

    def close(self) -> None:
        """End everything that runs in it, and wait for that."""
        if not self.group.ended():
            with suppress(ProcessLookupError):
                os.kill(self.first, signal.SIGKILL)  # the kernel ends all others with it
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(END_SECONDS)
        deadline = time.monotonic() + END_SECONDS
        while not self.group.ended() and time.monotonic() < deadline:
            time.sleep(0.001)
        self.group.close()
        with suppress(ChildProcessError):  # in a container, this process may be the one that orphans come to
            os.waitpid(self.first, os.WNOHANG)
        self._stop()

    def _stop(self) -> None:
        """End bubblewrap; what it has started ends with it, or with the pipe that its program comes through."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):  # what could not be written any more
                cast(BinaryIO, pipe).close()
        if self.control_group:
            self.control_group.remove()

    def _members(self) -> ProcessGroup:
        try:
            return ProcessGroup(self.first)
        except OSError as error:
            raise SandboxError(f"The processes of a sandbox cannot be watched on this machine: {error}.") from None

    def _enclose(self, limits: Limits) -> None:
        """Offer the sandbox to the kernel where memory runs out, and put it into a cgroup if there can be one."""
        members = [self.first, *children_of(self.first)]
        parent = find_parent()
        with suppress(OSError):
            for number in members:
                Path(f"/proc/{number}/oom_score_adj").write_text("1000")
        with suppress(OSError):
            if parent:
                self.control_group = ControlGroup(parent, limits)
                self.control_group.add(members)

    def _wait_until_ready(self) -> None:
        told = self._read(self.output, 1)
        if told != b"\0":
            raise self._failure(told)

    def _read(self, descriptor: int, most: int) -> bytes:
        """Read what is there, at most so many bytes; waits until there is something."""
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        if not poll.poll(max(0.0, self._deadline - time.monotonic()) * 1000):
            raise SandboxError(f"bubblewrap has made no sandbox within {START_SECONDS:.0f} seconds.")
        return os.read(descriptor, most)

    def _failure(self, told: bytes) -> SandboxError:
        """What bubblewrap says, or Python in its sandbox, where it fails."""
        while len(told) < MOST_TOLD and (more := self._read(self.output, MOST_TOLD)):
            told += more
        return failed_start(told.decode("utf-8", "replace"))


def _started(limits: Limits) -> subprocess.Popen[bytes]:
    """Start bubblewrap with what it is told, the filter, and the first program, each in a pipe."""
    program, as_root = find_bubblewrap(), os.geteuid() == 0
    told = "\0".join(options(program, limits, as_root=as_root)).encode()
    with ExitStack() as stack:
        files = [_filled(stack, content) for content in (first_program(), told, seccomp_filter())]
        if as_root:
            files.append(stack.enter_context(os.fdopen(open_user_namespace(), "rb")))
        numbers = [str(file.fileno()) for file in files]
        words = ["--perms", "0444", "--file", numbers[0], str(FIRST_PROGRAM), "--args", numbers[1]]
        words += ["--seccomp", numbers[2], *(("--userns", numbers[3]) if as_root else ())]
        return subprocess.Popen(
            [program, *words, "--", *run_python(limits)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[file.fileno() for file in files],
            env={"PATH": "/usr/bin:/bin"},  # code in the sandbox can read it in /proc
            cwd="/",
            start_new_session=True,
        )


def _filled(stack: ExitStack, content: bytes) -> BinaryIO:
    """A pipe that holds a few kilobytes and ends behind them."""
    read_end, write_end = os.pipe()
    with os.fdopen(write_end, "wb") as file:
        file.write(content)
    return stack.enter_context(os.fdopen(read_end, "rb", buffering=0))
