"""What a sandbox costs: an execution beside the same code in a bare process, and the probe before the first.

    python benchmarks/sandbox.py [--rounds 20]

Each round runs both, one after the other. The ratios are what to look at; the milliseconds are this machine's.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable

from tt_scale.sandbox import probe
from tt_scale.sandbox.execution import run

PROGRAMS = {
    "print(1)": "print(1)",
    "a second of arithmetic": "import time\nbegan = time.process_time()\nwhile time.process_time() - began < 1: pass",
    "import sympy": "import sympy\nprint(sympy.factor('x**2 - 1'))",
}


PACKAGES = f"import sys\nsys.path.append({sysconfig.get_path('purelib')!r})\n"


def bare(code: str) -> None:
    """With the options of the sandbox, and in a session of its own, by which Linux shares processors."""
    command = [sys.executable, "-I", "-S", "-u", "-X", "utf8", "-c", PACKAGES + code]
    subprocess.run(command, capture_output=True, check=True, start_new_session=True)


def sandboxed(code: str) -> None:
    result = run(code)
    if result.ended or result.status:
        raise SystemExit(f"The sandbox did not run {code!r}: {result.text}")


def seconds(way: Callable[[str], None], code: str) -> float:
    began = time.perf_counter()
    way(code)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    found = probe()
    print(f"probe: {found.seconds:.2f} s, {found.line}")
    for name, code in PROGRAMS.items():
        pairs = [(seconds(bare, code), seconds(sandboxed, code)) for _ in range(rounds)]
        ratio = statistics.median([inside / outside for outside, inside in pairs])
        outside, inside = (statistics.median(column) * 1000 for column in zip(*pairs, strict=True))
        print(f"{name:<24} bare {outside:6.0f} ms   sandbox {inside:6.0f} ms   ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
