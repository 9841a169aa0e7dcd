"""Seccomp filter of the sandbox: an allow-list of system calls, compiled by libseccomp.

All other calls fail with ENOSYS, so that the C library falls back to older calls where it can; among them are sockets
of every kind, memfd_create, ptrace, mount, unshare, setns, clone3, keyctl, bpf, perf_event_open, userfaultfd, io_uring,
System V shared memory, kexec and kernel modules. A call that the installed libseccomp does not know is forbidden.

See seccomp_rule_add(3), and "Seccomp security profiles for Docker" for what programs commonly need.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from tt_scale.errors import SandboxError

__all__ = ["library_version", "seccomp_filter"]

LIBRARY = "libseccomp.so.2"

ALLOWED = """
read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 sendfile copy_file_range lseek
open openat creat close close_range dup dup2 dup3 pipe pipe2 fcntl
stat fstat lstat newfstatat statx statfs fstatfs access faccessat faccessat2 readlink readlinkat
getdents getdents64 getcwd chdir fchdir umask truncate ftruncate fallocate fsync fdatasync fadvise64
rename renameat renameat2 link linkat symlink symlinkat unlink unlinkat mkdir mkdirat rmdir
chmod fchmod fchmodat getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr utime utimes utimensat futimesat
munmap mremap mprotect madvise msync brk membarrier
rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait rt_sigsuspend sigaltstack
kill tkill tgkill pause alarm getitimer setitimer restart_syscall
getpid getppid gettid getuid geteuid getgid getegid getgroups getresuid getresgid getpgid getpgrp setpgid getsid setsid
setgroups setresuid setresgid capget
uname sysinfo getrlimit setrlimit prlimit64 getrusage times getcpu getpriority setpriority
sched_yield sched_getaffinity sched_setaffinity sched_getparam sched_getscheduler
sched_get_priority_max sched_get_priority_min
clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time
futex set_robust_list get_robust_list set_tid_address rseq arch_prctl getrandom
fork vfork execve wait4 waitid exit exit_group
poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait eventfd eventfd2
"""

NAMESPACES = 0x7E020080
"""CLONE_NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET."""

SHARING, ANONYMOUS, HUGE_PAGES, PRIVATE = 0x0F, 0x20, 0x40000, 0x02
"""Flags of mmap. Shared anonymous memory is forbidden: it persists when it is not resident, and no limit counts it."""

TERMINAL_QUERIES = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
"""TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX and FIOCLEX: no ioctl that puts text into a terminal."""

PROCESS_NAMES = (15, 16, 0x53564D41)
"""PR_SET_NAME, PR_GET_NAME and PR_SET_VMA."""

ALLOWED_BY_ARGUMENT: dict[str, list[tuple[int, int, int]]] = {
    "clone": [(0, NAMESPACES, 0)],
    "mmap": [
        (3, ANONYMOUS | HUGE_PAGES, 0),
        (3, SHARING | ANONYMOUS | HUGE_PAGES, PRIVATE | ANONYMOUS),
    ],
    "ioctl": [(1, 0xFFFFFFFF, query) for query in TERMINAL_QUERIES],
    "prctl": [(0, 0xFFFFFFFF, name) for name in PROCESS_NAMES],
}
"""Conditions of system calls: argument index, mask, required value; one of the rows must match."""

ALLOW, FAIL, KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
MASKED_EQUAL = 7
OTHER_ARCHITECTURE = 2
"""SCMP_ACT_ALLOW, SCMP_ACT_ERRNO, SCMP_ACT_KILL_PROCESS; SCMP_CMP_MASKED_EQ; SCMP_FLTATR_ACT_BADARCH."""


class _Comparison(ctypes.Structure):
    """struct scmp_arg_cmp."""

    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operation", ctypes.c_int),
        ("mask", ctypes.c_uint64),
        ("value", ctypes.c_uint64),
    )


class _Version(ctypes.Structure):
    """struct scmp_version."""

    _fields_ = (("major", ctypes.c_uint), ("minor", ctypes.c_uint), ("micro", ctypes.c_uint))


def library_version() -> str:
    """Version of libseccomp, such as "2.5.4".

    Raises:
        SandboxError: it is not installed.
    """
    library = _library()
    library.seccomp_version.restype = ctypes.POINTER(_Version)
    version = library.seccomp_version().contents
    return f"{version.major}.{version.minor}.{version.micro}"


@cache
def seccomp_filter() -> bytes:
    """The filter as BPF, an array of `struct sock_filter` for this machine's architecture.

    Raises:
        SandboxError: libseccomp is not installed, or cannot compile the filter.
    """
    library = _library()
    with _context(library) as context:
        _check(library.seccomp_attr_set(context, OTHER_ARCHITECTURE, ctypes.c_uint32(KILL_PROCESS)))
        for name in ALLOWED.split():
            _allow(library, context, name, [])
        for name, comparisons in ALLOWED_BY_ARGUMENT.items():
            for argument, mask, value in comparisons:
                _allow(library, context, name, [_Comparison(argument, MASKED_EQUAL, mask, value)])
        return _exported(library, context)


def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError:
        raise SandboxError(
            f"The sandbox for model-written code needs {LIBRARY}, which is not installed.",
            "Type: apt install libseccomp2",
        ) from None
    library.seccomp_init.restype = ctypes.c_void_p
    return library


@contextmanager
def _context(library: ctypes.CDLL) -> Iterator[ctypes.c_void_p]:
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(FAIL | errno.ENOSYS)))
    if not context:
        raise SandboxError("libseccomp does not support this machine's architecture.")
    try:
        yield context
    finally:
        library.seccomp_release(context)


def _allow(library: ctypes.CDLL, context: ctypes.c_void_p, name: str, comparisons: list[_Comparison]) -> None:
    number = library.seccomp_syscall_resolve_name(name.encode())
    if number < 0:
        return  # a call of another architecture, or unknown to this libseccomp
    rows = (_Comparison * len(comparisons))(*comparisons)
    _check(library.seccomp_rule_add_array(context, ctypes.c_uint32(ALLOW), number, len(comparisons), rows))


def _exported(library: ctypes.CDLL, context: Any) -> bytes:
    read_end, write_end = os.pipe()
    with open(read_end, "rb") as written:
        try:
            _check(library.seccomp_export_bpf(context, write_end))
        finally:
            os.close(write_end)
        return written.read()


def _check(answer: int) -> None:
    if answer < 0:
        raise SandboxError(f"libseccomp cannot compile the sandbox's filter: {os.strerror(-answer)}.")
