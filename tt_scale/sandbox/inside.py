"""First program inside the sandbox: sets the limits of a process, gives up root, reads the code, and runs it.

The sandbox has a copy of this file, which is imported by nothing.
Arguments: bytes of address space, seconds of processor time, processes, bytes of a file.
"""

import os
import resource
import site
import sys
import time

NOBODY = 65534
MEMORY, SECONDS, PROCESSES, FILE_SIZE = map(int, sys.argv[1:5])

os.closerange(3, 1024)  # of what bubblewrap inherited
if os.getuid() == 0:
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)  # takes every capability with it
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

# Process 1 of the sandbox loads its filter right after it has tied its life to that of bwrap: before that, the code
# could outlive a search that is killed.
while True:
    with open("/proc/1/status", "rb") as status:
        if b"\nSeccomp:\t2\n" in status.read():
            break
    time.sleep(0.001)

os.write(1, b"\0")
header = sys.stdin.buffer.read(8)
code = sys.stdin.buffer.read(int.from_bytes(header, "big"))
if len(header) < 8 or len(code) < int.from_bytes(header, "big"):
    os._exit(1)  # whoever started this is gone

site.setquit()
site.sethelper()
sys.argv[:] = ["code"]
sys.path.append("/packages")
# Of an error the lines of the code are shown, not the one below.
sys.excepthook = lambda kind, error, frames: sys.__excepthook__(
    kind, error.with_traceback(frames and frames.tb_next), frames and frames.tb_next
)
exec(compile(code.decode(), "code", "exec"), {"__name__": "__main__"})  # noqa: S102  (the sandbox is for this)
