"""Code that a model wrote, confined: every test is something that it must not be able to do."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tt_scale.errors import ConfigError
from tt_scale.sandbox.confinement import Limits, check_confinement, run_confined

SHORT = Limits(seconds=2, memory=1 << 28, output=500)


def confinement_works() -> bool:
    try:
        asyncio.run(check_confinement())
    except ConfigError:
        return False
    return True


needs_namespaces = pytest.mark.skipif(
    not sys.platform.startswith("linux") or not confinement_works(), reason="no user namespaces here"
)


@needs_namespaces
async def test_prints_what_it_finds() -> None:
    assert await run_confined("import math\nprint(math.comb(6, 2), 'ü')", SHORT) == "15 ü\n"
    assert "ZeroDivisionError" in await run_confined("1 / 0", SHORT)
    assert "SyntaxError" in await run_confined("if", SHORT)
    assert await run_confined("", SHORT) == ""


@needs_namespaces
async def test_tells_of_errors_in_its_own_lines_only() -> None:
    """What is printed goes back to the model, which wrote none of the lines that run its code."""
    told = await run_confined("def half(x):\n    return x / 0\nhalf(1)", SHORT)
    assert told.splitlines() == [
        "Traceback (most recent call last):",
        '  File "code", line 3, in <module>',
        '  File "code", line 2, in half',
        "ZeroDivisionError: division by zero",
    ]


@needs_namespaces
async def test_leaves_no_file_behind(tmp_path: Path) -> None:
    """It may write into its own folder, which is in memory, and nowhere else."""
    code = f"open('own', 'w').write('x'); print(open('own').read())\nopen({str(tmp_path / 'away')!r}, 'w')"
    assert (await run_confined(code, SHORT)).startswith("x\nTraceback")
    assert os.listdir(tmp_path) == []


@needs_namespaces
async def test_cannot_take_back_what_was_taken(tmp_path: Path) -> None:
    """Whoever made the namespaces could mount the file system writable again."""
    code = (
        "import os\n"
        "print(os.system('mount -o remount,bind,rw / 2>/dev/null'))\n"
        "print(os.system('unshare --user --map-root-user --mount mount -o remount,bind,rw / 2>/dev/null'))\n"
        f"open({str(tmp_path / 'away')!r}, 'w')"
    )
    assert "Read-only file system" in await run_confined(code, SHORT)
    assert os.listdir(tmp_path) == []


@needs_namespaces
async def test_no_network(unused_tcp_port_server: int) -> None:
    """Not even this machine's own services: a port that listens here does not answer there."""
    code = f"import socket\nsocket.create_connection(('127.0.0.1', {unused_tcp_port_server}), 1)"
    assert "OSError" in await run_confined(code, replace(SHORT, output=4096))


@pytest.fixture
def unused_tcp_port_server() -> object:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@needs_namespaces
@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("while True: pass", ""),
        ("import time; time.sleep(60)", "after 2 seconds"),
        ("while True: print('x' * 100)", "printed too much"),
        ("x = bytearray(1 << 30)", "MemoryError"),
        ("import os, time\nos.setsid() if os.getpid() != 1 else None\nif os.fork() == 0:\n  os.setsid()\n"
         "  time.sleep(60)\ntime.sleep(60)", "after 2 seconds"),
    ],
)  # fmt: skip
async def test_comes_to_an_end(own_folder: Path, code: str, told: str) -> None:
    """Neither a loop nor a child in a session of its own may go on behind the search."""
    began = time.monotonic()
    assert told in await run_confined(code, SHORT)
    assert time.monotonic() - began < 10
    assert not _children(own_folder)


@needs_namespaces
async def test_ends_with_a_search_that_is_cancelled(own_folder: Path) -> None:
    task = asyncio.ensure_future(run_confined("import time; time.sleep(60)", Limits(seconds=60)))
    await asyncio.sleep(0.5)
    assert _children(own_folder)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not _children(own_folder)


@needs_namespaces
async def test_sees_no_secrets_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    assert "secret" not in await run_confined("import os; print(os.environ)", SHORT)


async def test_refused_where_it_cannot_be_confined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tt_scale.sandbox.confinement.which", lambda _: None)
    with pytest.raises(ConfigError, match="no `unshare`"):
        await check_confinement()


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where code gets its folders: by it the processes of this test are known from those of another run."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def _children(folder: Path) -> list[str]:
    """Command lines of the processes that run code in a folder."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                line = (process / "cmdline").read_bytes()
            except OSError:
                continue
            if f"{folder}/tt-scale-code-".encode() in line:
                found.append(line.decode(errors="replace"))
    return found
