"""Lifecycle of a sandbox: start with bubblewrap, receive a program, end with all its processes.

    with SandboxProcess(limits) as sandbox:
        sandbox.send(b"print(1 + 1)")
        ...read sandbox.output to its end...

The first program inside (`inside.py`) writes a zero byte when the sandbox is ready, and then receives the code. It
exits if the code is incomplete, so that nothing runs if the search is killed while it starts a sandbox.
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
"""Timeouts for start and end of a sandbox, which take a tenth of a second, but seconds on a machine under load."""
MOST_ERROR_BYTES = 2000
"""Number of bytes of bubblewrap's error output that are read."""


class SandboxProcess:
    """A started sandbox that waits for its program.

    Args:
        limits: limits of the program.

    Attributes:
        first: id of its process 1, as this process sees it.
        group: all its processes.
        control_group: their cgroup; None if none can be created.

    Raises:
        SandboxError: it cannot be created; the message states why.
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
        """File descriptor of standard output and standard error; at end of file the program has ended."""
        return cast(BinaryIO, self._process.stdout).fileno()

    def send(self, code: bytes) -> None:
        """Send the program, which starts at once.

        Args:
            code: Python source in UTF-8.
        """
        stdin = cast(BinaryIO, self._process.stdin)
        with suppress(OSError):  # it has ended already, which its output shows
            stdin.write(len(code).to_bytes(8, "big") + code)
            stdin.close()

    def status(self) -> int | None:
        """Exit status of the program, after its output has ended; None if bubblewrap does not exit."""
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(END_SECONDS)
        return None

    def close(self) -> None:
        """Kill all processes of the sandbox, and wait for their end."""
        if not self.group.ended():
            with suppress(ProcessLookupError):
                os.kill(self.first, signal.SIGKILL)  # the kernel ends all others with it
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(END_SECONDS)
        deadline = time.monotonic() + END_SECONDS
        while not self.group.ended() and time.monotonic() < deadline:
            time.sleep(0.001)
        self.group.close()
        with suppress(ChildProcessError):  # in a container, this process may inherit orphaned processes
            os.waitpid(self.first, os.WNOHANG)
        self._stop()

    def _stop(self) -> None:
        """Kill bubblewrap; its child ends with it, or at the end of the pipe that its program comes through."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):  # unwritten data
                cast(BinaryIO, pipe).close()
        if self.control_group:
            self.control_group.remove()

    def _members(self) -> ProcessGroup:
        try:
            return ProcessGroup(self.first)
        except OSError as error:
            raise SandboxError(f"The processes of a sandbox cannot be monitored on this machine: {error}.") from None

    def _enclose(self, limits: Limits) -> None:
        """Make the sandbox the first victim of the kernel's OOM killer, and move it into a cgroup if possible."""
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
        first = self._read(self.output, 1)
        if first != b"\0":
            raise self._failure(first)

    def _read(self, descriptor: int, most: int) -> bytes:
        """Wait for data and read at most `most` bytes."""
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        if not poll.poll(max(0.0, self._deadline - time.monotonic()) * 1000):
            raise SandboxError(f"bubblewrap did not create a sandbox within {START_SECONDS:.0f} seconds.")
        return os.read(descriptor, most)

    def _failure(self, output: bytes) -> SandboxError:
        """Error with the output of bubblewrap, or of Python in the sandbox."""
        while len(output) < MOST_ERROR_BYTES and (more := self._read(self.output, MOST_ERROR_BYTES)):
            output += more
        return failed_start(output.decode("utf-8", "replace"))


def _started(limits: Limits) -> subprocess.Popen[bytes]:
    """Start bubblewrap with its options, the system call filter and the first program, each in a pipe."""
    program, as_root = find_bubblewrap(), os.geteuid() == 0
    arguments = "\0".join(options(program, limits, as_root=as_root)).encode()
    with ExitStack() as stack:
        files = [_pipe_with(stack, content) for content in (first_program(), arguments, seccomp_filter())]
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


def _pipe_with(stack: ExitStack, content: bytes) -> BinaryIO:
    """A closed pipe that contains a few kilobytes."""
    read_end, write_end = os.pipe()
    with os.fdopen(write_end, "wb") as file:
        file.write(content)
    return stack.enter_context(os.fdopen(read_end, "rb", buffering=0))
