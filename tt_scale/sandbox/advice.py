"""Why a sandbox could not be made, and the way out."""

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
"""Below /proc/sys: the value that forbids user namespaces, and what root types to allow them."""

CONTAINER = (
    "In a container, start it with: docker run --security-opt seccomp=unconfined --security-opt "
    "systempaths=unconfined (podman: --security-opt unmask=ALL)."
)
PYTHON = "Use a Python from the distribution, pyenv, uv or conda, which every user may read."
FROM_PYTHON = ("execvp", "Python", "shared libraries", "python")


def failed_start(told: str, settings: Path = Path("/proc/sys")) -> SandboxError:
    """Make an error of what bubblewrap said.

    Args:
        told: all that it printed.
        settings: folder of the kernel's settings.
    """
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    said = " ".join(lines)[:300].rstrip(".") or "it ended without a word"
    if any(word in said for word in FROM_PYTHON):
        return SandboxError(f"Python does not start in a sandbox on this machine: {said}.", PYTHON)
    return SandboxError(
        f"bubblewrap cannot make a sandbox on this machine: {said}.", " ".join(_ways_out(settings)) or CONTAINER
    )


def _ways_out(settings: Path) -> Iterator[str]:
    for name, (forbidding, command) in SETTINGS.items():
        try:
            value = (settings / name).read_text().strip()
        except OSError:
            continue
        if value == forbidding:
            yield f"As root, type: {command}"
