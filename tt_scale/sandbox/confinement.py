"""Running code that a model wrote: no network, nothing to write to but memory, and an end.

The code gets namespaces of its own (`unshare` of util-linux): a network without interfaces, a file system that is
read-only but for an empty folder in memory, processes that die with their first. It then gives up the rights with which
these were made. Limits of memory, processor time and file size are set before its first line.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory, gettempdir

from tt_scale.errors import ConfigError

__all__ = ["Limits", "check_confinement", "run_confined"]

UNSHARE = ("--user", "--map-root-user", "--mount", "--net", "--ipc", "--pid", "--fork", "--kill-child")

SETUP = """
while read -r _ _ _ _ point _; do
    mount -o remount,bind,ro "$(printf %b "$point")" 2> /dev/null
done < /proc/self/mountinfo
set -e
mount -t tmpfs -o size=16m,mode=700 box "$1"
cd "$1"
mount -t proc proc /proc || true
shift
exec unshare --user -- "$@"
"""
"""Mounts that cannot be made read-only are of the kernel's own making; `check_confinement` looks at what is left."""

BEGIN = """
import resource, sys, traceback
sys.excepthook = lambda kind, error, frames: traceback.print_exception(kind, error, frames.tb_next)
for what, most in ((resource.RLIMIT_AS, {memory}), (resource.RLIMIT_CPU, {seconds}), (resource.RLIMIT_FSIZE, 1 << 24),
                   (resource.RLIMIT_NPROC, 64), (resource.RLIMIT_CORE, 0)):
    resource.setrlimit(what, (most, most))
exec(compile(sys.stdin.read(), "code", "exec"), {{"__name__": "__main__"}})
"""
"""Of an error the frames of the code itself are told, not the one that runs it."""

PROBE = """
import os, socket
for folder in {folders}:
    try:
        open(os.path.join(folder, "tt-scale-probe"), "w")
    except OSError:
        continue
    print("it can write to", folder)
open("own", "w").write("fine")
try:
    socket.create_connection(("192.0.2.1", 9), 0.2)
except TimeoutError:
    print("it has a network")
except OSError:
    print("confined")
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """What code may use.

    Attributes:
        seconds: of wall clock and of processor time, at least 1.
        memory: bytes of address space.
        output: bytes that are kept of what it prints; it ends when it prints more.
    """

    seconds: int = 10
    memory: int = 1 << 30
    output: int = 4096


async def check_confinement() -> None:
    """Make sure that code can be confined on this machine.

    Raises:
        ConfigError: it cannot: no Linux, no `unshare`, or namespaces are forbidden.
    """
    folders = [gettempdir(), str(Path.home()), str(Path.cwd()), "/dev/shm"]
    told = "there is no `unshare`" if which("unshare") is None else ""
    if not told:
        found = await run_confined(PROBE.format(folders=folders), Limits())
        told = "" if found.strip() == "confined" else found.strip() or "it printed nothing"
    if told:
        raise ConfigError(
            f"Model-written code cannot be confined on this machine: {' '.join(told.split())[:300]}.",
            "Leave `code` out of prm_args.",
        )


async def run_confined(code: str, limits: Limits) -> str:
    """Run Python code, and give what it prints, errors included.

    Args:
        code: a program.
        limits: past which it is killed.

    Returns:
        Its output, cut, with a last line that says so where it was killed.
    """
    begin = BEGIN.format(memory=limits.memory, seconds=limits.seconds)
    with TemporaryDirectory(prefix="tt-scale-code-") as folder:
        process = await asyncio.create_subprocess_exec(
            "unshare", *UNSHARE, "--", "sh", "-c", SETUP, "sh", folder, sys.executable, "-I", "-u", "-c", begin,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": folder, "OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,
        )  # fmt: skip
        try:
            return await asyncio.wait_for(_talk(process, code, limits), limits.seconds + 1.0)
        except (TimeoutError, asyncio.TimeoutError):
            return f"It was ended after {limits.seconds} seconds.\n"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            # A pipe whose reading was paused never sees its end, and Python 3.10 then warns that it was left open.
            process._transport.close()  # type: ignore[attr-defined]


async def _talk(process: asyncio.subprocess.Process, code: str, limits: Limits) -> str:
    assert process.stdin is not None, "asked for"
    assert process.stdout is not None, "asked for"
    with suppress(BrokenPipeError, ConnectionResetError):  # it ended before it had read all
        process.stdin.write(code.encode("utf-8", "replace"))
        await process.stdin.drain()
        process.stdin.close()
    found = b""
    while len(found) <= limits.output:
        more = await process.stdout.read(limits.output + 1 - len(found))
        if not more:
            return found.decode("utf-8", "replace")
        found += more
    return f"{found[: limits.output].decode('utf-8', 'replace')}\nIt was ended: it printed too much.\n"
