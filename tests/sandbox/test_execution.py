"""Programs in the sandbox: what they print, how they end, and that nothing of them stays."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from tt_scale.sandbox import Limits, Result, run_code
from tt_scale.sandbox.execution import run

pytestmark = pytest.mark.usefixtures("sandbox")


def sandboxes() -> list[str]:
    """The sandboxes that this process has started and that have not ended."""
    children = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    numbers = [number for each in children for number in each.read_text().split()]
    return [number for number in numbers if b"bwrap" in Path(f"/proc/{number}/cmdline").read_bytes()]


async def test_prints_what_it_finds() -> None:
    assert (await run_code("import math\nprint(math.comb(6, 2), 'ü')")).text == "15 ü\n"
    assert await run_code("") == Result("", "", 0, Limits())
    assert (await run_code("import sys\nprint('so')\nsys.exit(3)")).status == 3
    assert (await run_code("print(7)\nexit()\nprint(8)")).output == "7\n"


async def test_tracebacks_show_only_lines_of_the_code() -> None:
    """What is printed goes back to the model, which wrote none of the lines that run its code."""
    told = await run_code("def half(x):\n    return x / 0\nhalf(1)")
    assert told.status == 1
    assert told.output.splitlines() == [
        "Traceback (most recent call last):",
        '  File "code", line 3, in <module>',
        '  File "code", line 2, in half',
        "ZeroDivisionError: division by zero",
    ]
    assert (await run_code("if")).output.splitlines()[-1].startswith("SyntaxError")


async def test_has_the_packages_of_mathematics() -> None:
    """Without them most code about mathematics prints nothing but an ImportError."""
    code = (
        "import numpy, scipy, mpmath, sympy\nprint(sympy.sqrt(8), numpy.arange(3).sum(), mpmath.mpf(1), scipy.__name__)"
    )
    assert (await run_code(code, Limits(seconds=60))).text == "2*sqrt(2) 3 1.0 scipy\n"


async def test_text_of_every_kind() -> None:
    """A lone surrogate cannot be encoded, and a byte that is no UTF-8 cannot be decoded: neither is an error here."""
    assert (await run_code("print('𝔸', 'ß', ascii('\ud800'))")).output == "𝔸 ß '?'\n"
    assert (await run_code("import os\nos.write(1, b'a\\xff\\0b')")).output == "a\ufffd\0b"
    assert (await run_code("\0")).status == 1
    long = "x = '" + "y" * 1_000_000 + "'\nprint(len(x), input.__name__)\ninput()"
    assert (await run_code(long)).output.startswith("1000000 input\nTraceback")


IN_A_SESSION_OF_ITS_OWN = "import os, time\nif os.fork() == 0:\n  os.setsid()\n  time.sleep(60)\n"
SILENT_AND_STOPPED = "import os, signal\nos.close(1)\nos.close(2)\nos.kill(os.getpid(), signal.SIGSTOP)"


@pytest.mark.parametrize(
    ("code", "limits", "ended"),
    [
        ("while True: pass", Limits(seconds=1), "time"),
        (SILENT_AND_STOPPED, Limits(seconds=1), "time"),
        (f"{IN_A_SESSION_OF_ITS_OWN}time.sleep(60)", Limits(seconds=1), "time"),
        ("while True: print('x' * 100)", Limits(output=1000), "output"),
        ("import os\nwhile True: os.write(1, b'x' * 1_000_000)", Limits(output=1), "output"),
    ],
)
async def test_limits_stop_a_program(code: str, limits: Limits, ended: str) -> None:
    """Neither a loop nor a child in a session of its own goes on behind the search."""
    began = time.monotonic()
    result = await run_code(code, limits)
    assert result.ended == ended
    assert result.status is None
    assert len(result.output.encode()) <= limits.output
    assert result.text.splitlines()[-1].startswith("Stopped: ")
    assert time.monotonic() - began < 40
    assert not sandboxes()


async def test_children_end_with_their_program() -> None:
    """A program that has ended has ended, whatever it left running."""
    began = time.monotonic()
    result = await run_code(f"{IN_A_SESSION_OF_ITS_OWN}print('done')", Limits(seconds=50))
    assert (result.text, result.status) == ("done\n", 0)
    assert time.monotonic() - began < 40
    assert not sandboxes()


async def test_ends_with_a_search_that_is_cancelled() -> None:
    task = asyncio.ensure_future(run_code("import time; time.sleep(60)", Limits(seconds=60)))
    while not sandboxes():  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not sandboxes()


async def test_many_at_a_time() -> None:
    """They wait for a processor rather than take each other's time."""
    results = await asyncio.gather(*[run_code(f"print({number} ** 2)") for number in range(8)])
    assert [result.text for result in results] == [f"{number**2}\n" for number in range(8)]


def test_leaves_no_descriptor_open() -> None:
    before = os.listdir("/proc/self/fd")
    run("print(1)")
    run("while True: print(1)", Limits(output=9))
    assert len(os.listdir("/proc/self/fd")) == len(before)
