"""A line of a journal: JSON that ends with a checksum over all that stands before it.

    {"v":2,"index":0,...,"packed":"eLs9...","sum":"9f86d081884c7d65"}

`packed` holds tree and tape of a search: JSON, compressed by zlib with `DICTIONARY`, as base64. Lines of the first
format have neither `v` nor `sum`. `docs/journal.md` describes all fields.
"""

from __future__ import annotations

import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any

from pydantic_core import from_json

from tt_scale.bench.format.zlib_dictionary import DICTIONARY
from tt_scale.errors import JournalError

__all__ = [
    "NO_RECORD",
    "VERSION",
    "DamagedLineError",
    "checked",
    "digest_of",
    "line_of",
    "pack",
    "read_line",
    "record_of",
    "unpacked",
]

NO_RECORD = (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError)
"""What reading something else than a record raises."""

VERSION = 2
"""Of the format of a line."""

PACKED, HIDDEN = "packed", ("v", "sum")
DIGEST = 8
"""Bytes of a checksum: a change stays unnoticed once in 2**64."""

OPENING = b'{"v":'
MARK = b',"sum":"'
TAIL = len(MARK) + 2 * DIGEST + len(b'"}')
LEVEL = 6
MOST_UNPACKED = 1 << 30
"""Bytes; a line that claims to hold more is no line of ours."""

PIECE = 4096
"""Values that are encoded at a time, so that other threads get their turn."""


class DamagedLineError(ValueError):
    """A line that is not what was written."""


def line_of(record: Mapping[str, Any]) -> bytes:
    """Write a record as a line.

    Args:
        record: plain values; under `packed`, if it is there, what `pack` gave.

    Raises:
        TypeError, ValueError: a value that JSON does not have.
    """
    whole = b"".join(_chunks({"v": VERSION, **record}, allow_nan=False))
    body = whole[:-1]
    return body + MARK + _digest(body) + b'"}\n'


def pack(value: Any) -> str:
    """Compress a value into text."""
    deflate = zlib.compressobj(LEVEL, zdict=DICTIONARY)
    packed = b"".join([*map(deflate.compress, _chunks(value, allow_nan=True)), deflate.flush()])
    return b64encode(packed).decode("ascii")


def unpacked(text: str) -> Any:
    """Give the value that `pack` compressed.

    Raises:
        ValueError: it is none.
    """
    inflate = zlib.decompressobj(zdict=DICTIONARY)  # the first lines of this format were packed without one
    try:
        plain = inflate.decompress(b64decode(text, validate=True), MOST_UNPACKED)
    except zlib.error as error:
        raise ValueError(f"the packed part cannot be unpacked: {error}") from None
    if not inflate.eof:
        raise ValueError("the packed part is cut short, or too long")
    return from_json(plain)


def checked(line: bytes) -> bytes:
    """Give a line without its end, if its checksum is right, or if it is of the first format, which has none.

    Raises:
        DamagedLineError: it is not what was written.
        JournalError: it is of a format that this version does not know.
    """
    if not line.endswith(b"\n"):
        raise DamagedLineError("it has no end")
    text = line[:-1]
    if not (text.startswith(OPENING) or text[-TAIL : -TAIL + len(MARK)] == MARK):
        return text
    if text[-TAIL:] != MARK + _digest(text[:-TAIL]) + b'"}':
        raise DamagedLineError("its checksum is not that of its text")
    version = text[len(OPENING) : text.find(b",")]
    if version != str(VERSION).encode():
        raise JournalError(
            f"The journal has format {version.decode('ascii', 'replace')}; this version reads 1 and {VERSION}.",
            "Type: pip install --upgrade tt-scale",
        )
    return text


def record_of(line: bytes) -> dict[str, Any]:
    """Read a line whose checksum is right, or that has none, with version and checksum; errors as in `checked`."""
    text = checked(line)
    try:
        record = from_json(text)
    except ValueError:
        raise DamagedLineError("it is not JSON") from None
    if not isinstance(record, dict):
        raise DamagedLineError("it is not a JSON object")
    return record


def read_line(line: bytes) -> dict[str, Any]:
    """Read the fields of a record, without version and checksum of its line; errors as in `checked`."""
    return {key: value for key, value in record_of(line).items() if key not in HIDDEN}


def digest_of(value: Any) -> str:
    """Give a checksum of a value as JSON."""
    hashed = blake2b(digest_size=DIGEST)
    for chunk in _chunks(value, allow_nan=True):
        hashed.update(chunk)
    return hashed.hexdigest()


def _digest(text: bytes) -> bytes:
    return blake2b(text, digest_size=DIGEST).hexdigest().encode("ascii")


def _chunks(value: Any, *, allow_nan: bool) -> Iterator[bytes]:
    """Encode a value piece by piece: one encoding of all of it would hold up every other thread for as long."""
    if _weight(value) <= PIECE:
        yield json.dumps(value, ensure_ascii=False, allow_nan=allow_nan, separators=(",", ":")).encode()
    elif isinstance(value, Mapping):
        for place, (key, each) in enumerate(value.items()):
            yield (b"," if place else b"{") + json.dumps(key).encode() + b":"
            yield from _chunks(each, allow_nan=allow_nan)
        yield b"}"
    elif _nested(value):
        for place, each in enumerate(value):
            yield b"," if place else b"["
            yield from _chunks(each, allow_nan=allow_nan)
        yield b"]"
    else:
        for begin in range(0, len(value), PIECE):
            [piece] = _chunks(value[begin : begin + PIECE], allow_nan=allow_nan)
            yield (b"," if begin else b"[") + piece[1:-1]
        yield b"]"


def _weight(value: Any) -> int:
    """About how many values something holds; the members of a list are alike."""
    if isinstance(value, Mapping):
        return sum(map(_weight, value.values()))
    if not isinstance(value, list | tuple):
        return 1
    return sum(map(_weight, value)) if _nested(value) else len(value)


def _nested(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and isinstance(value[0], list | tuple | dict)
