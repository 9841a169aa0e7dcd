"""User namespace for a sandbox that root starts, with two users: root, which sets it up, and 65534, which runs code.

bubblewrap itself can map only one user, which for root would be root: code could then access root's files, and the
process limit would not apply, since the kernel exempts root from it.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from pathlib import Path

from tt_scale.sandbox.advice import failed_start

__all__ = ["open_user_namespace"]

USERS = "0 0 1\n65534 65534 1\n"
HOLDER = ("unshare", "--user", "cat")
"""Process that keeps the namespace alive until a descriptor of it is open; it exits at the end of its input."""


def open_user_namespace() -> int:
    """Create a user namespace and return its file descriptor, which the caller closes.

    Raises:
        SandboxError: it cannot be created.
    """
    try:
        with subprocess.Popen(
            HOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        ) as holder:
            return _mapped(holder)
    except OSError as error:
        raise failed_start(f"user namespace for root: {error}") from None


def _mapped(holder: subprocess.Popen[bytes]) -> int:
    assert holder.stdin is not None, "asked for"
    assert holder.stdout is not None, "asked for"
    with suppress(BrokenPipeError):
        holder.stdin.write(b"\n")
        holder.stdin.flush()
    answer = holder.stdout.readline()  # it answers from inside the namespace
    if answer != b"\n":
        raise failed_start(answer.decode("utf-8", "replace"))
    process = Path("/proc") / str(holder.pid)
    (process / "uid_map").write_text(USERS)
    (process / "gid_map").write_text(USERS)
    return os.open(process / "ns" / "user", os.O_RDONLY | os.O_CLOEXEC)
