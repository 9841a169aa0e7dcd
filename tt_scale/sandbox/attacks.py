"""Attacks from inside a sandbox: each returns what it could do, as text; empty if it failed.

The source of this file is run in the sandbox, followed by a call of `attack`. A successful attack changes nothing:
files are opened but not written.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

Targets = Mapping[str, Sequence[str]]
"""Objects outside of the sandbox that attacks try to reach, by kind."""

ROOT = {
    "bin",
    "dev",
    "etc",
    "lib",
    "lib32",
    "lib64",
    "libx32",
    "packages",
    "proc",
    "python",
    "sbin",
    "start.py",
    "tmp",
    "usr",
}
DEVICES = {"fd", "full", "null", "random", "urandom"}
VARIABLES = {"PATH", "HOME", "LANG", "LC_CTYPE", "LD_LIBRARY_PATH", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "PWD"}

SHARED_ANONYMOUS = 0x21
NEW_USER_NAMESPACE, CHILD_SIGNAL = 0x10000000, 17
FAKE_INPUT = 0x5412
"""TIOCSTI, which injects input into a terminal."""

SYSTEM_CALLS: dict[str, tuple[int, int]] = {
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "mount": (165, 40),
    "fsopen": (430, 430),
    "open_tree": (428, 428),
    "pivot_root": (155, 41),
    "open_by_handle_at": (304, 265),
    "unshare": (272, 97),
    "setns": (308, 268),
    "clone3": (435, 435),
    "add_key": (248, 217),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "shmget": (29, 194),
    "mq_open": (240, 180),
    "socketpair": (53, 199),
    "kexec_load": (246, 104),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
}
"""Forbidden system calls, with their numbers on x86-64 and on 64-bit ARM."""
CLONE, MMAP = (56, 220), (9, 222)


def opened(path: str, flags: int = os.O_RDONLY) -> str:
    """A finding if a path can be opened."""
    try:
        os.close(os.open(path, flags | os.O_NONBLOCK))
    except OSError:
        return ""
    return f"opens {path}"


def created(path: str) -> str:
    """A finding if a file can be created; it is removed again."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        os.unlink(path)
    except OSError:
        return ""
    return f"makes {path}"


def first(findings: Iterable[str]) -> str:
    """The first finding; empty if there is none."""
    return next(filter(None, findings), "")


def files_below(*folders: str) -> Iterator[str]:
    """The paths of all files in some folders."""
    return (os.path.join(folder, name) for top in folders for folder, _, names in os.walk(top) for name in names)


def kernel_settings(targets: Targets) -> str:
    """Open kernel settings for writing."""
    paths = [*files_below("/proc/sys", "/proc/irq", "/proc/bus", "/sys"), "/proc/sysrq-trigger"]
    return first(opened(path, os.O_WRONLY) for path in paths)


def devices(targets: Targets) -> str:
    """Find devices beside the allowed ones, or create one."""
    more = sorted(set(os.listdir("/dev")) - DEVICES)
    if more:
        return f"sees /dev/{more[0]}"
    try:
        os.mknod("/tmp/device", 0o020666, os.makedev(1, 1))
    except OSError:
        return ""
    return "makes a device"


def unix_sockets(targets: Targets) -> str:
    """Connect to Unix sockets of services on this machine."""
    for path in targets["sockets"]:
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(path)
        except OSError:
            continue
        return f"connects to {path!r}"
    return ""


def named_pipes(targets: Targets) -> str:
    """Open a named pipe that a process outside reads."""
    return first(opened(path, os.O_WRONLY) for path in targets["pipes"])


def terminal(targets: Targets) -> str:
    """Open the user's terminal, or inject input into it."""
    found = first(opened(path, os.O_RDWR) for path in ("/dev/tty", "/dev/console", *targets["terminals"]))
    if found:
        return found
    try:
        fcntl.ioctl(0, FAKE_INPUT, b"x")
    except OSError as error:
        return "" if error.errno == errno.ENOSYS else "reaches TIOCSTI"
    return "types into a terminal"


def private_files(targets: Targets) -> str:
    """Read files outside of the allow-list."""
    more = sorted(set(os.listdir("/")) - ROOT)
    return f"sees /{more[0]}" if more else first(map(opened, targets["files"]))


def other_processes(targets: Targets) -> str:
    """See processes outside of the sandbox, or their environment."""
    for number in filter(str.isdigit, os.listdir("/proc")):
        if int(number) not in (1, os.getpid()):
            return f"sees process {number}"
        try:
            with open(f"/proc/{number}/environ", encoding="utf-8", errors="replace") as file:
                names = {line.partition("=")[0] for line in file.read().split("\0") if line}
        except OSError:
            continue
        if names - VARIABLES:
            return f"reads the environment of process {number}"
    return ""


def network(targets: Targets) -> str:
    """Find a network interface, or create a socket of any family."""
    with open("/proc/net/dev", encoding="ascii") as file:
        interfaces = [line.partition(":")[0].strip() for line in file if ":" in line]
    if interfaces != ["lo"]:
        return f"has the interfaces {interfaces}"
    for family in (socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, socket.AF_VSOCK, socket.AF_PACKET):
        try:
            socket.socket(family, socket.SOCK_RAW if family == socket.AF_NETLINK else socket.SOCK_STREAM).close()
        except OSError as error:
            if error.errno == errno.ENOSYS:
                continue
        return f"reaches sockets of family {family}"
    return ""


def system_calls(targets: Targets) -> str:
    """Make system calls that the filter does not allow."""
    machine = os.uname().machine
    column = {"x86_64": 0, "aarch64": 1}.get(machine)
    if column is None:
        return f"has system calls that are not known for {machine}"
    call = ctypes.CDLL(None, use_errno=True).syscall
    tried: dict[str, tuple[int, ...]] = {name: (row[column], 0, 0, 0, 0, 0) for name, row in SYSTEM_CALLS.items()}
    tried["clone with a user namespace"] = (CLONE[column], NEW_USER_NAMESPACE | CHILD_SIGNAL, 0, 0, 0, 0)
    tried["mmap of shared memory"] = (MMAP[column], 0, 4096, 3, SHARED_ANONYMOUS, -1, 0)
    for name, arguments in tried.items():
        ctypes.set_errno(0)
        answer = call(*[ctypes.c_long(each) for each in arguments])
        if answer != -1 or ctypes.get_errno() != errno.ENOSYS:
            return f"reaches {name}"
    return ""


def privileges(targets: Targets) -> str:
    """Have another user id than nobody's, a capability, or no system call filter."""
    with open("/proc/self/status", encoding="ascii") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file)
    if set(status["Uid"].split() + status["Gid"].split() + status["Groups"].split()) != {"65534"}:
        return f"is user {status['Uid']} of the groups {status['Gid']} {status['Groups']}"
    capable = [name for name in ("CapPrm", "CapEff", "CapAmb") if int(status[name], 16)]
    if capable:
        return f"has capabilities ({capable[0]})"
    return "" if (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2") else "has no filter of system calls"


def files_to_write(targets: Targets) -> str:
    """Open files for writing, and create files in read-only folders."""
    tops = ("/", "/dev", "/etc", "/packages", "/python", "/usr")
    folders = [folder for top in tops for folder in (top, *subfolders(top)) if folder not in ("/tmp", "/proc")]
    made = (created(f"{folder}/tt-scale-probe") for folder in folders)
    existing = ("/start.py", "/usr/bin/env", "/proc/1/mem", *targets["files"])
    return first(made) or first(opened(path, os.O_WRONLY) for path in existing)


def subfolders(top: str) -> list[str]:
    """The folders in a folder; empty if it does not exist."""
    try:
        return [entry.path for entry in os.scandir(top) if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []


ATTACKS: dict[str, Callable[[Targets], str]] = {
    "kernel settings": kernel_settings,
    "devices": devices,
    "Unix sockets": unix_sockets,
    "named pipes": named_pipes,
    "terminal": terminal,
    "private files": private_files,
    "files to write": files_to_write,
    "other processes": other_processes,
    "network": network,
    "system calls": system_calls,
    "privileges": privileges,
}


def attack(targets: Targets) -> None:
    """Run all attacks and print their findings as JSON."""
    sys.stdout.write(json.dumps({name: tried(each, targets) for name, each in ATTACKS.items()}))


def tried(each: Callable[[Targets], str], targets: Targets) -> str:
    """Finding of an attack; an exception is a finding too."""
    try:
        return each(targets)
    except Exception as error:  # noqa: BLE001
        return f"could not be tried ({error!r})"
