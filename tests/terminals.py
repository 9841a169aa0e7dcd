"""The command line in a pseudo-terminal."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path


def in_terminal(
    folder: Path, columns: int, *arguments: str, lines: int = 40, interrupt: bytes = b"", status: int = 0
) -> str:
    """Everything that a command sends to a terminal.

    Args:
        folder: in which it runs.
        columns: of the terminal.
        arguments: of the command.
        lines: of the terminal.
        interrupt: text after which Ctrl-C is pressed; empty for never.
        status: its exit status.
    """
    import fcntl
    import pty
    import struct
    import termios

    child, terminal = pty.fork()
    if child == 0:  # pragma: no cover - another process
        os.chdir(folder)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # what a shell started in the background ignores it
        os.environ.update(COLUMNS=str(columns), LINES=str(lines), TERM="xterm-256color")
        os.execv(sys.executable, [sys.executable, "-m", "tt_scale", *arguments])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    seen = b""
    while True:
        try:
            chunk = os.read(terminal, 65536)
        except OSError:  # Linux says so when the other side is closed
            break
        if not chunk:
            break
        seen += chunk
        if interrupt and interrupt in seen:
            os.write(terminal, b"\x03")
            interrupt = b""
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == status
    return seen.decode()
