"""A user namespace for a sandbox that root starts, with two users: root, who sets it up, and 65534, as whom code runs.

bubblewrap can map one user by itself, which for root would be root: its files would be the code's own, and the limit of
processes would not count, since the kernel exempts root from it.
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
"""The namespace lives as long as this process, or a descriptor of it, does. It ends with the pipe that it reads."""


def open_user_namespace() -> int:
    """Make a user namespace, and give a file descriptor of it, which the caller closes.

    Raises:
        SandboxError: it cannot be made.
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
