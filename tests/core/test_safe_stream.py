"""Streams whose writes never fail, and descriptors that a caller closed."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tt_scale.core.safe_stream import safe_stream

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs pipes that break")


def test_everything_arrives_while_somebody_reads(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with path.open("w", encoding="utf-8") as file:
        file.write("a")
        stream = safe_stream(file)
        stream.write("é\n\ud800")
        stream.flush()
        assert (stream.encoding, stream.isatty(), stream.fileno()) == ("utf-8", False, file.fileno())
    assert path.read_text(encoding="utf-8") == "aé\n?"


def test_the_first_error_is_told_once_and_later_writes_are_dropped() -> None:
    reader, writer = os.pipe()
    lost: list[OSError] = []
    with open(writer, "w", encoding="utf-8") as file:
        stream = safe_stream(file, lost.append)
        os.close(reader)
        for _ in range(3):
            stream.write("x" * 100_000)
            stream.flush()
        assert [type(error) for error in lost] == [BrokenPipeError]
        assert os.write(writer, b"of a library") == 12


def test_a_full_descriptor_that_does_not_block_is_waited_for() -> None:
    """A shell or a parent may have set it so; Python raises BlockingIOError."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    received: list[bytes] = []

    def read() -> None:
        while len(b"".join(received)) < 300_000:
            received.append(os.read(reader, 4096))

    thread = threading.Thread(target=read)
    thread.start()
    with open(writer, "w", encoding="utf-8") as file:
        stream = safe_stream(file)
        stream.write("x" * 300_000)
        stream.flush()
        thread.join(30)
    os.close(reader)
    assert len(b"".join(received)) == 300_000


def test_streams_without_a_file_stay() -> None:
    """A notebook's, and what a test put in place; so does one that is safe already."""
    text = io.StringIO()
    assert safe_stream(text) is text
    wrapped = io.TextIOWrapper(io.BytesIO())
    assert safe_stream(wrapped) is wrapped
    with open(os.devnull, "w", encoding="utf-8") as null:
        safe = safe_stream(null)
        assert safe_stream(safe) is safe


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2), (1, 2)])
def test_a_closed_descriptor_is_not_the_next_file(closed: tuple[int, ...], tmp_path: Path) -> None:
    """What a library printed would have gone into the journal."""
    program = (
        "import os; from tt_scale.core.safe_stream import plug_descriptors; plug_descriptors()\n"
        "file = open('journal', 'w'); assert file.fileno() > 2\n"
        f"assert all(os.get_inheritable(number) for number in {closed})\n"
        "os.write(1, b'x'); os.write(2, b'x'); os._exit(0)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: [os.close(number) for number in closed] and None,
    )
    assert process.wait(60) == 0
    assert (tmp_path / "journal").read_bytes() == b""
