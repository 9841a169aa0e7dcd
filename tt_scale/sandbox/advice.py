"""Error messages for a sandbox that cannot be started, with advice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tt_scale.errors import SandboxError

__all__ = ["failed_start"]

SETTINGS = {
    "kernel/apparmor_restrict_unprivileged_userns": ("1", "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"),
    "kernel/unprivileged_userns_clone": ("0", "sysctl -w kernel.unprivileged_userns_clone=1"),
    "user/max_user_namespaces": ("0", "sysctl -w user.max_user_namespaces=15000"),
}
"""Settings below /proc/sys: the value that forbids user namespaces, and the command of root that allows them."""

CONTAINER = (
    "In a container, start it with: docker run --security-opt seccomp=unconfined --security-opt "
    "systempaths=unconfined (podman: --security-opt unmask=ALL)."
)
PYTHON = "Use a Python from the distribution, pyenv, uv or conda, which every user may read."
FROM_PYTHON = ("execvp", "Python", "shared libraries", "python")


def failed_start(output: str, settings: Path = Path("/proc/sys")) -> SandboxError:
    """Turn the output of a failed bubblewrap into an error with advice.

    Args:
        output: all that it printed.
        settings: folder of the kernel's settings.
    """
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    reason = " ".join(lines)[:300].rstrip(".") or "it exited without a message"
    if any(word in reason for word in FROM_PYTHON):
        return SandboxError(f"Python does not start in a sandbox on this machine: {reason}.", PYTHON)
    return SandboxError(
        f"bubblewrap cannot create a sandbox on this machine: {reason}.", " ".join(_advice(settings)) or CONTAINER
    )


def _advice(settings: Path) -> Iterator[str]:
    for name, (forbidding, command) in SETTINGS.items():
        try:
            value = (settings / name).read_text().strip()
        except OSError:
            continue
        if value == forbidding:
            yield f"As root, type: {command}"
