"""Probe of the sandbox on this machine: attack it in many ways, and decide whether code may run in it.

    record = probe()
    record.is_secure, record.line

The probe creates the objects that attacks try to reach (a socket, a private file, a running process). It takes about a
second, once per process.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from tt_scale.errors import SandboxError
from tt_scale.sandbox.bubblewrap import bubblewrap_version, find_bubblewrap
from tt_scale.sandbox.control_group import find_parent
from tt_scale.sandbox.execution import run
from tt_scale.sandbox.limits import Ending, Limits, Result
from tt_scale.sandbox.system_calls import library_version

__all__ = ["Hole", "Probe", "probe", "require_sandbox"]

LIMITS = Limits(seconds=60, memory=256 << 20, processes=16, output=1 << 16, files=1 << 20)
"""Limits of the attacks: generous in time, for machines under load, and small in memory, for small machines."""

SECONDS_TO_END = 30.0
"""Timeout for the end of a sandbox, which takes milliseconds, but seconds on a machine under load."""


@dataclass(frozen=True, slots=True)
class Hole:
    """An attack on the sandbox and its result.

    Attributes:
        name: target of the attack.
        finding: what the attack could do; empty if it failed.
    """

    name: str
    finding: str


@dataclass(frozen=True, slots=True)
class Probe:
    """Result of a probe: whether the sandbox is safe on this machine.

    Attributes:
        parts: components of the sandbox, with versions, and how its limits are enforced.
        holes: results of the attacks; empty if no sandbox could be created.
        fault: why none could be created; empty if one could.
        hint: what to type next.
        seconds: duration of the probe.
    """

    parts: str
    holes: tuple[Hole, ...]
    fault: str
    hint: str
    seconds: float

    @property
    def open_holes(self) -> tuple[Hole, ...]:
        """The attacks that succeeded."""
        return tuple([hole for hole in self.holes if hole.finding])

    @property
    def is_secure(self) -> bool:
        """Whether code may run: a sandbox was created, and every attack failed."""
        return not self.fault and not self.open_holes

    @property
    def line(self) -> str:
        """The result in one line, with each attack."""
        if self.fault:
            return f"{self.fault} {self.hint}".rstrip()
        states = ", ".join(
            [f"{hole.name} {'OPEN: ' + hole.finding if hole.finding else 'closed'}" for hole in self.holes]
        )
        return f"{'secure' if self.is_secure else 'not secure'} ({self.parts}): {states}"


def require_sandbox() -> None:
    """Check that code can be run in a sandbox.

    Raises:
        SandboxError: it cannot; the message states why and what to install.
    """
    result = probe()
    if result.fault:
        raise SandboxError(result.fault, result.hint)
    if result.open_holes:
        findings = "; ".join([f"{hole.name}: code {hole.finding}" for hole in result.open_holes])
        raise SandboxError(
            f"The sandbox is not secure on this machine ({findings}).", "`tt-scale doctor` shows all of it."
        )


@cache
def probe() -> Probe:
    """Attack a sandbox; the result is cached for the life of this process."""
    began = time.monotonic()
    try:
        holes, fault, hint, parts = _attacked(), "", "", _parts()
    except SandboxError as error:
        holes, fault, hint, parts = (), error.message, error.hint, ""
    return Probe(parts, holes, fault, hint, time.monotonic() - began)


def _parts() -> str:
    version = ".".join(map(str, bubblewrap_version(find_bubblewrap())))
    limits = "watched processes" if find_parent() is None else "a cgroup"
    return f"bubblewrap {version}, libseccomp {library_version()}, limits by {limits}"


def _attacked() -> tuple[Hole, ...]:
    """Run all attacks concurrently; their order here is that of the result."""
    run("", LIMITS)  # if no sandbox can be created, this raises the only error message
    alone: dict[str, Callable[[], str]] = {
        "300 forks": _forks,
        "20 x 150 MB": _memory,
        "files without end": _files,
        "output without end": _output,
        "a parent that is killed": _killed_parent,
    }
    with ThreadPoolExecutor(len(alone) + 1) as pool:
        inside = pool.submit(_from_inside)
        outside = {name: pool.submit(attack) for name, attack in alone.items()}
        findings = {**inside.result(), **{name: finding.result() for name, finding in outside.items()}}
    return tuple([Hole(name, finding) for name, finding in findings.items()])


def _from_inside() -> Mapping[str, str]:
    text = Path(__file__).with_name("attacks.py").read_text(encoding="utf-8")
    with _targets() as targets:
        result = run(f"{text}\nattack({targets!r})\n", LIMITS)
    try:
        findings: dict[str, str] = json.loads(result.output)
    except ValueError:
        raise SandboxError(f"The attacks on the sandbox did not complete: {result.text[-300:]!r}.") from None
    return findings


@contextmanager
def _targets() -> Iterator[dict[str, list[str]]]:
    """Create the objects outside of the sandbox that attacks try to reach."""
    with ExitStack() as stack:
        folders = [stack.enter_context(tempfile.TemporaryDirectory(prefix="tt-scale-probe-"))]
        with suppress(OSError):
            folders.append(stack.enter_context(tempfile.TemporaryDirectory(prefix="tt-scale-probe-", dir="/run")))
        sockets = [f"{folder}/socket" for folder in folders]
        sockets.append(f"\0tt-scale-probe-{os.getpid()}-{time.monotonic_ns()}")
        for address in sockets:
            listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(address)
            listener.listen()
        for folder in folders:
            os.mkfifo(f"{folder}/pipe", 0o666)
            stack.callback(os.close, os.open(f"{folder}/pipe", os.O_RDONLY | os.O_NONBLOCK))
            Path(f"{folder}/private").touch(0o600)
        yield {
            "sockets": sockets,
            "pipes": [f"{folder}/pipe" for folder in folders],
            "terminals": _terminals(),
            "files": [*[f"{folder}/private" for folder in folders], "/etc/shadow", "/etc/passwd"],
        }


def _terminals() -> list[str]:
    names = []
    for descriptor in (0, 1, 2):
        with suppress(OSError):
            names.append(os.ttyname(descriptor))
    return names


FORKS = """
import os, time
made = 0
for _ in range(300):
    try:
        if not os.fork():
            time.sleep(60)
            os._exit(0)
        made += 1
    except OSError:
        break
print(made)
"""

MEMORY = """
import os, time
made = 0
for _ in range(20):
    try:
        if not os.fork():
            block = b"x" * 150_000_000
            time.sleep(600)
            os._exit(0)
        made += 1
    except OSError:
        break
if made < 2:
    print("alone")
else:
    time.sleep(600)
"""
"""Before Linux 5.14 the limit counts all processes of a user, so that hardly any can be started."""

FILES = """
import os
written = number = 0
block = b"x" * 65536
try:
    for number in range(100_000):
        with open(f"/tmp/{number}", "wb", buffering=0) as file:
            written += file.write(block if number < 200 else b"")
except OSError:
    pass
print(written)
"""


def _forks() -> str:
    result = run(FORKS, LIMITS)
    made = _number(result)
    if made is None:
        return _unless(result, "processes")
    return f"starts {made} processes" if made > LIMITS.processes else ""


def _memory() -> str:
    result = run(MEMORY, replace(LIMITS, processes=64))
    return "" if result.output == "alone\n" else _unless(result, "memory")


def _files() -> str:
    result = run(FILES, LIMITS)
    written = _number(result)
    if written is None:
        return _unless(result, "files")
    return f"writes {written} bytes" if written > LIMITS.files else ""


def _output() -> str:
    return _unless(run("while True: print('x' * 1000)", LIMITS), "output")


def _number(result: Result) -> int | None:
    """Number that an attack printed; None if a limit stopped it."""
    return int(result.output) if not result.ended and result.output.strip().isdigit() else None


def _unless(result: Result, limit: Ending) -> str:
    """Finding of an attack that should have been stopped by a limit."""
    return "" if result.ended == limit else f"is not ended by its limit ({result.ended} {result.output[-200:]!r})"


PARENT = """
import sys
sys.path.insert(0, sys.argv[1])
from tt_scale.sandbox.limits import Limits
from tt_scale.sandbox.process import SandboxProcess
with SandboxProcess(Limits(seconds=60)) as sandbox:
    sandbox.send(b"print(1); import time; time.sleep(60)")
    print(sandbox.first, flush=True)
    while True:
        input()
"""


def _killed_parent() -> str:
    """Start a sandbox from a separate process, kill that process, and check that the sandbox ends."""
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-I", "-c", PARENT, str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None, "asked for"
        number = parent.stdout.readline().strip()
        parent.send_signal(signal.SIGKILL)
    if not number.isdigit():
        return "could not be tried"
    deadline = time.monotonic() + SECONDS_TO_END
    while _runs(int(number)):
        if time.monotonic() > deadline:
            return "goes on"
        time.sleep(0.005)
    return ""


def _runs(number: int) -> bool:
    """Whether a process exists and has not ended."""
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"
