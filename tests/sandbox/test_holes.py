"""The probe: what it says where a sandbox is secure, where it has a hole, and where none can be made."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tt_scale.errors import SandboxError
from tt_scale.sandbox import Hole, Probe, holes, probe, require_sandbox, run_code
from tt_scale.sandbox.advice import CONTAINER, failed_start
from tt_scale.sandbox.bubblewrap import bubblewrap_version
from tt_scale.sandbox.system_calls import ALLOWED, seccomp_filter

CLOSED = Probe("bubblewrap 1.0", (Hole("network", ""), Hole("devices", "")), "", "", 0.1)


@pytest.mark.usefixtures("sandbox")
def test_every_hole_is_closed() -> None:
    found = probe()
    assert found.is_secure, found.line
    assert len(found.holes) == 16
    assert [hole.name for hole in found.holes][-1] == "a parent that is killed"
    assert found.line.count(" closed") == 16
    assert probe() is found
    require_sandbox()


def test_an_open_hole_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    leaking = replace(CLOSED, holes=(*CLOSED.holes, Hole("terminal", "opens /dev/tty")))
    assert CLOSED.is_secure
    assert not leaking.is_secure
    assert leaking.line == "not secure (bubblewrap 1.0): network closed, devices closed, terminal OPEN: opens /dev/tty"
    monkeypatch.setattr(holes, "probe", lambda: leaking)
    with pytest.raises(SandboxError, match="terminal: code opens /dev/tty"):
        require_sandbox()


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A PATH with one folder, and a probe that has not run."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(holes, "probe", probe.__wrapped__)
    bubblewrap_version.cache_clear()
    yield tmp_path
    bubblewrap_version.cache_clear()


def stand_in(folder: Path, script: str) -> None:
    program = folder / "bwrap"
    program.write_text(f"#!/bin/sh\ncase $1 in --version) echo bubblewrap 0.8.0; exit;; esac\n{script}\n")
    program.chmod(0o755)


linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="bubblewrap is for Linux")


@linux
async def test_without_bubblewrap_no_code_runs(path: Path) -> None:
    with pytest.raises(SandboxError, match=r"no `bwrap` in PATH\. Type: apt install bubblewrap"):
        require_sandbox()
    with pytest.raises(SandboxError, match="apt install bubblewrap"):
        await run_code("print(1)")
    found = holes.probe()
    assert (found.holes, found.is_secure) == ((), False)
    assert found.line == f"{found.fault} {found.hint}"


@linux
@pytest.mark.parametrize(("told", "shown"), [("bubblewrap 0.4.1", "0.4.1"), ("what", "of unknown version")])
def test_a_bubblewrap_that_is_too_old(path: Path, told: str, shown: str) -> None:
    (path / "bwrap").write_text(f"#!/bin/sh\necho {told}\n")
    (path / "bwrap").chmod(0o755)
    with pytest.raises(SandboxError, match=f"0.5 or newer; .*/bwrap is {shown}"):
        require_sandbox()


@linux
@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo 'bwrap: setting up uid map: Permission denied' >&2; exit 1", "here: bwrap: setting up uid map: Perm"),
        ("exit 1", "here: it exited without a message"),
        ("printf x; exit 0", "here: x"),
        ("head -c 100000 /dev/zero | tr '\\0' y; exit 1", "here: yyyyy"),
        ("echo 'bwrap: execvp /usr/bin/python3: Permission denied'; exit 1", "Python does not start in a sandbox"),
    ],
)
def test_a_bubblewrap_that_fails(path: Path, monkeypatch: pytest.MonkeyPatch, script: str, message: str) -> None:
    """There is no weaker way to run code: the message says what failed and what to do."""
    monkeypatch.setenv("PATH", f"{path}:/usr/bin:/bin")
    stand_in(path, script)
    with pytest.raises(SandboxError) as error:
        require_sandbox()
    assert message.replace("here", "bubblewrap cannot create a sandbox on this machine") in str(error.value)
    assert error.value.hint
    assert "\n" not in str(error.value)


@linux
def test_a_bubblewrap_that_hangs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{path}:/usr/bin:/bin")
    monkeypatch.setattr("tt_scale.sandbox.process.START_SECONDS", 0.3)
    stand_in(path, "exec sleep 60")
    with pytest.raises(SandboxError, match="did not create a sandbox within"):
        require_sandbox()


@linux
def test_without_libseccomp_no_code_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tt_scale.sandbox.system_calls.LIBRARY", "libseccomp.so.none")
    monkeypatch.setattr(holes, "probe", probe.__wrapped__)
    seccomp_filter.cache_clear()
    monkeypatch.setattr("tt_scale.sandbox.process.find_bubblewrap", lambda: "/bin/false")
    with pytest.raises(
        SandboxError, match=r"libseccomp\.so\.none, which is not installed\. Type: apt install libseccomp2"
    ):
        require_sandbox()


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "kernel.apparmor_restrict_unprivileged_userns=0"),
        ("kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
        ("user/max_user_namespaces", "0", "user.max_user_namespaces=15000"),
        ("user/max_user_namespaces", "9", CONTAINER),
    ],
)
def test_the_remedy_is_named(tmp_path: Path, name: str, value: str, hint: str) -> None:
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).write_text(f"{value}\n")
    error = failed_start("bwrap: No permissions to creating new namespace", tmp_path)
    assert error.hint.endswith(hint)


def test_what_the_filter_allows_is_named_once() -> None:
    names = ALLOWED.split()
    assert len(names) == len(set(names))
    assert not {"socket", "ptrace", "mount", "clone3", "memfd_create", "unshare", "keyctl", "bpf"} & set(names)
