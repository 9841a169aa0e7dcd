"""Every way out that model-written code has been seen to take, tried from inside a real sandbox.

Each test has a target that is there outside. The last one shows that the probe's own attacks find such targets where no
sandbox is around them.
"""

from __future__ import annotations

import os
import pty
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tt_scale.sandbox import Limits, attacks
from tt_scale.sandbox.execution import run
from tt_scale.sandbox.holes import PARENT

pytestmark = pytest.mark.usefixtures("sandbox")

TRY = """
import os
def attempt(name, act):
    try:
        print(name, "succeeds:", act())
    except OSError as error:
        print(name, "fails:", error.strerror)
"""


def attempts(*lines: str) -> list[str]:
    """Run attempts, each `name: expression`, and give the names of those that succeed."""
    calls = [f"attempt({name!r}, lambda: {act})" for name, _, act in (line.partition(": ") for line in lines)]
    result = run(TRY + "\n".join(calls), Limits(seconds=30, output=1 << 20))
    told = result.output.splitlines()
    assert len(told) == len(lines), result.text
    return [line for line in told if " succeeds: " in line]


def test_the_kernels_settings_cannot_be_written() -> None:
    """As root, /proc/sys/kernel/core_pattern alone runs a program of one's choice outside."""
    names = ("core_pattern", "hostname", "sysrq", "modprobe", "ns_last_pid")
    paths = [f"/proc/sys/kernel/{name}" for name in names] + ["/proc/sysrq-trigger", "/proc/self/oom_score_adj"]
    assert attempts(*[f"{path}: open({path!r}, 'r+')" for path in paths]) == []


def test_devices_are_not_there() -> None:
    """The disk, the memory, the log of the kernel, other users' terminals."""
    devices = [f"/dev/{path.name}" for path in Path("/dev").iterdir() if path.name not in attacks.DEVICES]
    assert attempts(*[f"{path}: os.open({path!r}, os.O_RDONLY | os.O_NONBLOCK)" for path in devices]) == []
    assert (
        attempts("mknod: os.mknod('/tmp/disk', 0o60666, os.makedev(254, 0))", "chmod: os.chmod('/dev/null', 0)") == []
    )


@pytest.fixture
def targets() -> Iterator[list[Path]]:
    """A listening socket, a named pipe that is read, and a private file, in each folder where services have theirs."""
    with ExitStack() as stack:
        tops = [top for top in ("/tmp", "/run", "/var/tmp") if os.access(top, os.W_OK)]
        folders = [Path(stack.enter_context(tempfile.TemporaryDirectory(dir=top))) for top in tops]
        for folder in folders:
            server = stack.enter_context(socket.socket(socket.AF_UNIX))
            server.bind(str(folder / "socket"))
            server.listen()
            os.mkfifo(folder / "pipe")
            stack.callback(os.close, os.open(folder / "pipe", os.O_RDONLY | os.O_NONBLOCK))
            (folder / "private").write_text("secret")
            (folder / "private").chmod(0o600)
        yield folders


def test_services_of_this_machine_do_not_answer(targets: list[Path]) -> None:
    """A socket in the file system, one without a name there, and one of the network."""
    with socket.socket(socket.AF_UNIX) as nameless, socket.create_server(("127.0.0.1", 0)) as server:
        nameless.bind("\0tt-scale-test")
        nameless.listen()
        unix = "__import__('socket').socket(1).connect"
        lines = [f"{folder}: {unix}({str(folder / 'socket')!r})" for folder in targets]
        lines += [f"nameless: {unix}('\\0tt-scale-test')", "pair: __import__('socket').socketpair()"]
        lines += [f"network: __import__('socket').create_connection({server.getsockname()!r}, 5)"]
        assert attempts(*lines) == []


def test_named_pipes_and_private_files_are_not_there(targets: list[Path]) -> None:
    home = Path.home()
    lines = [f"{folder}/pipe: os.open({str(folder / 'pipe')!r}, os.O_WRONLY | os.O_NONBLOCK)" for folder in targets]
    lines += [f"{folder}: open({str(folder / 'private')!r}).read()" for folder in targets]
    lines += [f"{path}: open({path!r})" for path in ("/etc/shadow", "/etc/passwd", "/proc/kcore", "/proc/keys")]
    lines += [f"{path}: os.listdir({path!r})" for path in ("/root", "/home", "/run", "/var", "/sys", "/mnt", str(home))]
    lines += [f"link {folder}: os.link({str(folder / 'private')!r}, '/tmp/it')" for folder in targets]
    assert attempts(*lines) == []


def test_only_its_own_folder_can_be_written(tmp_path: Path) -> None:
    folders = ("/", "/usr", "/usr/lib", "/etc", "/dev", "/proc", "/python", "/packages", "/dev/shm", str(tmp_path))
    lines = [f"{folder}: open({folder + '/file'!r}, 'w')" for folder in folders]
    assert attempts(*lines, "the program: open('/start.py', 'w')", "env: open('/usr/bin/env', 'r+')") == []
    assert run("open('own', 'w').write('x')\nprint(open('/tmp/own').read())").text == "x\n"
    assert os.listdir(tmp_path) == []


def test_no_terminal() -> None:
    """A program that types into the terminal is run by the shell that waits there."""
    parent, terminal = pty.openpty()
    try:
        name = os.ttyname(terminal)
        lines = [f"{path}: os.open({path!r}, os.O_RDWR | os.O_NOCTTY)" for path in ("/dev/tty", "/dev/console", name)]
        type_into = [f"type {number}: __import__('fcntl').ioctl({number}, 0x5412, b'x')" for number in (0, 1, 2)]
        assert attempts(*lines, *type_into, "new: os.openpty()") == []
    finally:
        os.close(parent)
        os.close(terminal)


def test_other_processes_are_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither their environment, which holds access tokens, nor their memory; nor can they be sent a signal."""
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    code = (
        "import os, pathlib\nprint(sorted(os.listdir('/proc'), key=len)[0], dict(os.environ))\n"
        "for path in pathlib.Path('/proc').glob('[0-9]*/environ'):\n"
        "  try: print(path.read_text())\n"
        "  except OSError: print('closed')\n"
    )
    with subprocess.Popen(["sleep", "60"], env={"HF_TOKEN": "hf_secret"}) as other:
        told = run(code).text
        assert "hf_secret" not in told
        assert len(told.splitlines()) <= 5
        lines = [f"kill: os.kill({other.pid}, 9)", f"limits: __import__('resource').prlimit({os.getpid()}, 7, (9, 9))"]
        assert attempts(*lines) == []
        assert other.poll() is None
        other.kill()


def test_code_runs_as_nobody_without_privileges() -> None:
    shown = "os.getresuid(), os.getresgid(), set(os.getgroups()) - {65534}, os.uname().nodename"
    told = run(f"import os\nprint({shown})").text
    assert told == "(65534, 65534, 65534) (65534, 65534, 65534) set() sandbox\n"
    assert attempts("root: os.setresuid(0, 0, 0)", "groups: os.setgroups([0])", "memory: os.memfd_create('x')") == []
    limits = "import resource as r\nfor name in (r.RLIMIT_AS, r.RLIMIT_NPROC, r.RLIMIT_CPU, r.RLIMIT_FSIZE):\n"
    told = run(f"{limits}  try: print(r.setrlimit(name, (-1, -1)))\n  except ValueError as error: print(error)").text
    assert told == "not allowed to raise maximum limit\n" * 4


FORKS = """
import os, time
for made in range(300):
    if not os.fork():
        time.sleep(60)
        os._exit(0)
    print(made)
"""


def test_300_forks() -> None:
    """The limit is the kernel's: not one process more is started."""
    result = run(FORKS, Limits(seconds=30, processes=20))
    assert "BlockingIOError" in result.output
    assert int(result.output.split("Traceback")[0].split()[-1]) < 20


MANY_HOLD = """
import os, time
for _ in range(20):
    if not os.fork():
        block = b"x" * 150_000_000
        time.sleep(60)
        os._exit(0)
time.sleep(60)
"""

HIDDEN_HOLD = """
import ctypes, os, threading, time

def hold():
    time.sleep(0.2)
    block = b"x" * 150_000_000
    time.sleep(60)

for _ in range(8):
    if not os.fork():
        threading.Thread(target=hold).start()
        ctypes.CDLL(None).syscall({"x86_64": 60}.get(os.uname().machine, 93), 0)
time.sleep(60)
"""
"""Of a process whose first thread has ended, /proc tells no memory."""


@pytest.mark.parametrize("code", [MANY_HOLD, HIDDEN_HOLD], ids=["20 x 150 MB", "hidden"])
def test_memory_of_all_together(code: str) -> None:
    result = run(code, Limits(seconds=60, memory=256 << 20))
    assert result.ended == "memory"
    assert "256 MiB" in result.text


def test_memory_of_one() -> None:
    assert "MemoryError" in run("x = bytearray(1 << 30)", Limits(memory=256 << 20)).output


def test_memory_outside_of_processes_is_not_available() -> None:
    """Shared memory without a file stays when it is unmapped from sight, and would be counted nowhere."""
    lines = ["mapping: __import__('mmap').mmap(-1, 4096)", "zero: open('/dev/zero')", "memfd: os.memfd_create('x')"]
    assert attempts(*lines) == []


LARGE_FILES = """
import os
while True:
    file = os.open("x", os.O_CREAT | os.O_WRONLY)
    os.unlink("x")
    print(os.write(file, b"x" * (1 << 20)))
"""
MANY_FILES = "for number in range(1 << 30): print(open(str(number), 'w').name)"


@pytest.mark.parametrize("code", [LARGE_FILES, MANY_FILES], ids=["large", "many"])
def test_files_without_end(code: str) -> None:
    """An empty file takes memory as well, and one that was deleted takes it as long as it is open."""
    result = run(code, Limits(seconds=60, files=4 << 20, output=1 << 20))
    assert result.ended == "files" or "No space left on device" in result.output
    assert len(result.output.splitlines()) < 100_000


def test_nothing_outlives_a_parent_that_is_killed() -> None:
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-I", "-c", PARENT, str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        number = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 40
    while runs(number):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def runs(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_the_probes_attacks_succeed_without_a_sandbox(targets: list[Path]) -> None:
    """An attack that never finds anything would call every sandbox closed."""
    found = {
        "sockets": [str(folder / "socket") for folder in targets],
        "pipes": [str(folder / "pipe") for folder in targets],
        "files": [str(folder / "private") for folder in targets],
        "terminals": [],
    }
    for attack in (
        attacks.unix_sockets,
        attacks.named_pipes,
        attacks.private_files,
        attacks.other_processes,
        attacks.network,
        attacks.devices,
        attacks.privileges,
        attacks.terminal,
    ):
        assert attack(found), attack.__name__
    assert attacks.opened(found["files"][0], os.O_WRONLY)
    assert attacks.created(f"{targets[0]}/made")
    assert not (targets[0] / "made").exists()
