"""What is shown while models load."""

from __future__ import annotations

import asyncio
import io
import re

import pytest
from rich.console import Console

from tt_scale.report.loading import loading


def told(console: Console) -> str:
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


async def test_a_log_hears_of_it_now_and_then() -> None:
    """Minutes of silence look like a hang."""
    console = Console(file=io.StringIO(), width=20)
    with loading(console, "a-generator with a-prm", quiet_seconds=0.01):
        await asyncio.sleep(0.1)
    lines = told(console).splitlines()
    assert lines[0] == "Loading a-generator with a-prm ..."
    assert re.fullmatch(r"Loading a-generator with a-prm \.\.\. \d s", lines[1])
    assert re.fullmatch(r"Loaded a-generator with a-prm in 0\.\d s\.", lines[-1])


async def test_the_first_line_comes_at_once() -> None:
    """Off a terminal, the line with seconds comes after 15 of them."""
    console = Console(file=io.StringIO())
    with loading(console, "m"):
        await asyncio.sleep(0)
        assert told(console) == "Loading m ...\n"
    assert told(console).count("\n") == 2


async def test_a_terminal_sees_the_seconds() -> None:
    """The line is drawn in place, and gone in the end."""
    console = Console(file=io.StringIO(), width=80, force_terminal=True)
    with loading(console, "m"):
        await asyncio.sleep(0.01)
        assert "Loading m ...  0:00" in told(console)
    assert re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", told(console)).splitlines()[-1].startswith("Loaded m in ")


async def test_what_cannot_be_loaded_was_not_loaded() -> None:
    """The error follows, and no line that says otherwise."""
    console = Console(file=io.StringIO())

    async def failing() -> None:
        with loading(console, "m"):
            await asyncio.sleep(0)
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await failing()
    assert told(console) == "Loading m ...\n"


async def test_nothing_to_wait_for() -> None:
    """The simulated world needs no loading."""
    console = Console(file=io.StringIO())
    with loading(console, ""):
        pass
    assert told(console) == ""
