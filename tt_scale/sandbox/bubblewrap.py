"""Command line of bubblewrap: a separate root file system from an allow-list, and no privileges.

See bwrap(1). The order of the options is the order of the mounts; the root itself becomes read-only last.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from shutil import which

from tt_scale.errors import SandboxError
from tt_scale.sandbox.interpreter import Interpreter, find_interpreter, package_mounts
from tt_scale.sandbox.limits import Limits

__all__ = ["FIRST_PROGRAM", "bubblewrap_version", "find_bubblewrap", "first_program", "options", "run_python"]

OLDEST = (0, 5)
"""Oldest supported version: the first with --perms and --clearenv."""
FIRST_WITH_SIZE = (0, 7)

SYSTEM_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
"""Entries of the root that are links into `/usr`, or folders on older systems."""
SYSTEM_FILES = ("etc/alternatives", "etc/ld.so.cache")
DEVICES = ("null", "full", "random", "urandom")
"""Without `zero`: a shared mapping of it is memory that no limit counts."""

HIDDEN = ("kallsyms", "kcore", "key-users", "keys", "timer_list")
"""Files of `/proc` about the machine and its users; /dev/null is mounted over them."""

FIRST_PROGRAM = Path("/start.py")
"""Path of the first program in the sandbox, in memory."""


def find_bubblewrap() -> str:
    """Path of `bwrap`.

    Raises:
        SandboxError: it is not in PATH or too old, or the system is not Linux.
    """
    if not sys.platform.startswith("linux"):
        raise SandboxError(f"The sandbox for model-written code needs Linux; this is {sys.platform}.")
    program = which("bwrap")
    if program is None:
        raise SandboxError(
            "The sandbox for model-written code needs bubblewrap, but there is no `bwrap` in PATH.",
            "Type: apt install bubblewrap",
        )
    version = bubblewrap_version(program)
    if version < OLDEST:
        shown = ".".join(map(str, version)) or "of unknown version"
        raise SandboxError(
            f"The sandbox for model-written code needs bubblewrap 0.5 or newer; {program} is {shown}.",
            "Type: apt install bubblewrap",
        )
    return program


@cache
def bubblewrap_version(program: str) -> tuple[int, ...]:
    """Version of a `bwrap`, such as (0, 8, 0); empty if unknown."""
    try:
        output = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    match = re.search(r"(\d+)\.(\d+)\.(\d+)", output)
    return tuple(map(int, match.groups())) if match else ()


def options(program: str, limits: Limits, *, as_root: bool) -> list[str]:
    """Options of bubblewrap, except those for inherited files and pipes.

    Args:
        program: path of `bwrap`.
        limits: limits of the execution.
        as_root: whether root starts it, in a user namespace created for it; the first program inside then drops root.
            Other users are mapped to 65534 by bubblewrap.
    """
    users = ("--unshare-user", "--uid", "65534", "--gid", "65534")
    return [
        *(() if as_root else users),
        "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try",
        "--die-with-parent", "--new-session", "--hostname", "sandbox",
        "--cap-drop", "ALL", *(("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID") if as_root else ()),
        *_environment(find_interpreter()),
        *_root(find_interpreter()),
        *_writable(program, limits),
    ]  # fmt: skip


def run_python(limits: Limits) -> list[str]:
    """Command inside the sandbox: Python without site packages and user settings, unbuffered, in UTF-8."""
    numbers = (limits.memory, limits.seconds + 1, limits.processes, limits.files)
    return [
        str(find_interpreter().program), "-I", "-S", "-u", "-X", "utf8", str(FIRST_PROGRAM), *map(str, numbers),
    ]  # fmt: skip


@cache
def first_program() -> bytes:
    """Content of `FIRST_PROGRAM` in the sandbox."""
    return Path(__file__).with_name("inside.py").read_bytes()


def _environment(python: Interpreter) -> list[str]:
    variables = {
        "PATH": "/usr/bin:/bin",
        "HOME": "/tmp",
        "LANG": "C.UTF-8",
        "LD_LIBRARY_PATH": str(python.libraries),
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
    return ["--clearenv", *[word for name, value in variables.items() for word in ("--setenv", name, value)]]


def _root(python: Interpreter) -> Iterator[str]:
    """Options of the allow-list: read-only `/usr`, the interpreter, four packages, four devices, a new `/proc`."""
    yield from ("--ro-bind", "/usr", "/usr")
    for name in SYSTEM_LINKS:
        if (Path("/") / name).is_symlink():
            yield from ("--symlink", f"usr/{name}", f"/{name}")
        else:
            yield from ("--ro-bind-try", f"/{name}", f"/{name}")
    yield from ("--perms", "0755", "--dir", "/etc")
    for name in SYSTEM_FILES:
        yield from ("--ro-bind-try", f"/{name}", f"/{name}")
    mounts = (*python.mounts, *package_mounts())
    folders = sorted({folder for _, target in mounts for folder in target.parents if folder != Path("/")})
    for folder in (*folders, Path("/dev")):
        yield from ("--perms", "0755", "--dir", str(folder))
    for source, target in mounts:
        yield from ("--ro-bind", str(source), str(target))
    for folder in python.hidden:
        yield from ("--tmpfs", str(folder), "--remount-ro", str(folder))
    yield from ("--proc", "/proc")
    for name in HIDDEN:
        if Path("/proc", name).exists():
            yield from ("--ro-bind", "/dev/null", f"/proc/{name}")
    yield from ("--remount-ro", "/proc")
    for name in DEVICES:
        yield from ("--dev-bind", f"/dev/{name}", f"/dev/{name}")
    yield from ("--symlink", "/proc/self/fd", "/dev/fd")


def _writable(program: str, limits: Limits) -> Iterator[str]:
    """Options for an empty `/tmp` of limited size, in memory; everything else becomes read-only."""
    yield from ("--perms", "1777")
    if bubblewrap_version(program) >= FIRST_WITH_SIZE:
        yield from ("--size", str(limits.files))
    yield from ("--tmpfs", "/tmp", "--chdir", "/tmp", "--remount-ro", "/")
