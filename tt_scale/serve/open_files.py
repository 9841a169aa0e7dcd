"""The number of files, and so of connections, that this process may have open."""

from __future__ import annotations

from contextlib import suppress

__all__ = ["raise_open_files"]

MOST_FILES = 65_536


def raise_open_files() -> None:
    """Allow as many connections as the system does; the usual soft limit is 1,024 open files."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
