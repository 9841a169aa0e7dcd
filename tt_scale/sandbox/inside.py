"""First program inside the sandbox: drops root, sets process limits, then reads and runs the code.

The sandbox contains a copy of this file; nothing imports it.
Arguments: bytes of address space, seconds of processor time, number of processes, bytes of a file.
"""

import os
import resource
import site
import sys
import time

NOBODY = 65534
MEMORY, SECONDS, PROCESSES, FILE_SIZE = map(int, sys.argv[1:5])

os.closerange(3, 1024)  # descriptors that bubblewrap inherited
if os.getuid() == 0:
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)  # also drops all capabilities
for limit, most in (
    (resource.RLIMIT_AS, MEMORY),
    (resource.RLIMIT_CPU, SECONDS),
    (resource.RLIMIT_FSIZE, FILE_SIZE),
    (resource.RLIMIT_NPROC, PROCESSES),
    (resource.RLIMIT_NOFILE, 64),
    (resource.RLIMIT_SIGPENDING, 64),
    (resource.RLIMIT_MEMLOCK, 0),
    (resource.RLIMIT_CORE, 0),
):
    resource.setrlimit(limit, (most, most))

# Process 1 of the sandbox loads its filter right after it has set its parent-death signal. Code that ran earlier could
# outlive a search that is killed.
while True:
    with open("/proc/1/status", "rb") as status:
        if b"\nSeccomp:\t2\n" in status.read():
            break
    time.sleep(0.001)

os.write(1, b"\0")
header = sys.stdin.buffer.read(8)
code = sys.stdin.buffer.read(int.from_bytes(header, "big"))
if len(header) < 8 or len(code) < int.from_bytes(header, "big"):
    os._exit(1)  # the process that started the sandbox has ended

site.setquit()
site.sethelper()
sys.argv[:] = ["code"]
sys.path.append("/packages")
# Tracebacks show the lines of the code, not the call below.
sys.excepthook = lambda kind, error, frames: sys.__excepthook__(
    kind, error.with_traceback(frames and frames.tb_next), frames and frames.tb_next
)
exec(compile(code.decode(), "code", "exec"), {"__name__": "__main__"})  # noqa: S102  (the sandbox is for this)
