"""Event file: writes events as JSON Lines for other programs (`--events FILE`).

`events.schema.json` is the schema of a line; docs/events.md shows how to use the file.
"""

from __future__ import annotations

import errno
import json
import os
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from importlib.resources import files
from pathlib import Path as FilePath
from typing import Any, TextIO

from tt_scale._version import __version__
from tt_scale.bench.run.events import Event, RunsPlanned
from tt_scale.errors import ConfigError, JournalError

__all__ = ["SCHEMA_VERSION", "EventFile", "event_line", "event_schema"]

SCHEMA_VERSION = 1
"""Increased if a field is removed or changes its meaning, not for new events and fields."""


def event_schema() -> Any:
    """The JSON Schema (draft 2020-12) of a line."""
    return json.loads(files("tt_scale.report").joinpath("events.schema.json").read_text(encoding="utf-8"))


def event_line(event: Event) -> dict[str, Any]:
    """The fields of an event as written to the file, without the time; rows of previous run segments are left out."""
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()
    if not isinstance(event, RunsPlanned):
        return {"event": name, **asdict(event)}
    fields = asdict(replace(event, rows=()))  # without them first: copying a hundred thousand rows takes seconds
    return {"event": name, **{key: value for key, value in fields.items() if key != "rows"}}


class EventFile:
    """Reporter that appends one line per event to a file.

    A write error does not end the run: it causes one warning, and nothing more is written.

    Args:
        path: a new file, an event file of an earlier command, or a pipe with a reader.
        command: name of the command.
        warn: callback for a warning.

    Raises:
        ConfigError: the folder does not exist, the pipe has no reader, or the file is not an event file.
        JournalError: the file cannot be written.
    """

    def __init__(self, path: str, command: str, warn: Callable[[str], None]) -> None:
        self._path = path
        self._warn = warn
        self._began = time.monotonic()
        _check(path)
        self._file: TextIO | None = _opened(path)
        self._write({"event": "started", "schema": SCHEMA_VERSION, "version": __version__, "command": command})

    def __call__(self, event: Event, /) -> None:
        """Write an event."""
        self._write(event_line(event))

    def close(self, status: int) -> None:
        """Write how the command ended.

        Args:
            status: 0 where all searches were done, else its exit status.
        """
        self._write({"event": "ended", "status": status, "seconds": round(time.monotonic() - self._began, 3)})
        if self._file is not None:
            self._file.close()

    def _write(self, line: dict[str, Any]) -> None:
        if self._file is None:
            return
        try:
            self._file.write(json.dumps({"time": round(time.time(), 3), **line}, default=_plain) + "\n")
            self._file.flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):  # what is buffered cannot be written either
                file.close()
        self._warn(f"{self._path!r} can no longer be written ({error.strerror or error}); the run goes on without it.")


def _plain(value: Any) -> Any:
    """Convert the compact mappings of a row."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON serializable")


def _check(path: str) -> None:
    """Refuse what is no event file; nothing is overwritten."""
    if not path:
        raise ConfigError("--events is empty.", "Type: --events events.jsonl")
    file = FilePath(path)
    if not os.path.isdir(file.parent):
        raise ConfigError(f"--events is {path!r}, whose folder does not exist.", "Type: --events events.jsonl")
    if os.path.isdir(file):
        raise ConfigError(f"{path!r} is a folder; events go to a file.", "Type: --events events.jsonl")
    if not os.path.isfile(file) or not file.stat().st_size:
        return
    with file.open(encoding="utf-8", errors="replace") as lines:
        try:
            first = json.loads(lines.readline(10_000))
        except ValueError:
            first = None
    if not isinstance(first, dict) or "event" not in first:
        raise ConfigError(f"{path!r} holds something else than events; nothing was changed.", "Name another file.")


def _opened(path: str) -> TextIO:
    """Open for adding; a pipe without a reader would block for ever."""
    try:
        number = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    except (OSError, ValueError) as error:  # ValueError: no name that the system has
        if getattr(error, "errno", None) == errno.ENXIO:
            raise ConfigError(f"Nobody reads the pipe {path!r}.", "Start its reader first.") from None
        reason = getattr(error, "strerror", None) or error
        raise JournalError(f"The events cannot be written to {path!r}: {reason}.") from None
    os.set_blocking(number, True)
    if _is_torn(path):
        os.write(number, b"\n")
    return os.fdopen(number, "w", encoding="utf-8", errors="replace")


def _is_torn(path: str) -> bool:
    """Whether an earlier command was killed while it wrote a line."""
    file = FilePath(path)
    if not file.is_file() or not file.stat().st_size:
        return False
    with file.open("rb") as lines:
        lines.seek(-1, os.SEEK_END)
        return lines.read(1) != b"\n"
