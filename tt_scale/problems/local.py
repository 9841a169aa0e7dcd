"""Readers of local problem sets: JSON Lines, JSON, CSV and Parquet; all but the last also as .gz (`mine.jsonl.gz`).

A line of JSON Lines, the simplest format::

    {"question": "What is 2 + 3?", "answer": "5", "level": 1, "id": "sums-1"}

Limits: 1 GiB, decompressed, and a million rows for a file, 16 MiB for a line of JSON Lines, 64 MiB for a JSON file,
which is parsed as a whole.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from tt_scale.core.csv_cells import read_cell
from tt_scale.core.guarded_json import parse_json
from tt_scale.core.printable import listed
from tt_scale.errors import MissingExtraError, ProblemSetError
from tt_scale.problems.rows import RawRow, kind

__all__ = ["READERS", "extension_of", "name_of", "parse_jsonl", "parse_line", "read_file", "read_local"]

MEBIBYTE = 1 << 20
LARGEST, LARGEST_LINE, LARGEST_JSON = 1024 * MEBIBYTE, 16 * MEBIBYTE, 64 * MEBIBYTE
MOST_ROWS = 1_000_000
GZIP = ".gz"
BATCH = 256
"""Rows of a Parquet file that are decoded at a time, since their decoded size is not known before."""
_LINE = re.compile(r"[^\n]+")


def read_local(path: str) -> list[RawRow]:
    """Read all rows of a file, in the format of its extension.

    Raises:
        ProblemSetError: the file cannot be read, or a row is invalid.
        MissingExtraError: pyarrow is not installed, which Parquet files need.
    """
    extension = extension_of(path)
    if extension not in READERS:
        raise ProblemSetError(
            f"{path} has the extension {extension!r}; allowed: {', '.join(READERS)}.", "Convert or rename the file."
        )
    return READERS[extension](path, read_file(path))


def extension_of(path: str) -> str:
    """Extension of the format of a file, in lower case, without ".gz"."""
    return os.path.splitext(_unpacked_name(path))[1].lower()


def name_of(path: str) -> str:
    """Name of the problem set in a file: its file name without extensions."""
    return os.path.splitext(_unpacked_name(os.path.basename(path)))[0]


def _unpacked_name(path: str) -> str:
    return path[: -len(GZIP)] if path.lower().endswith(GZIP) else path


def read_file(path: str) -> bytes:
    """Read a whole file of limited size; one whose name ends in ".gz" is decompressed.

    Raises:
        ProblemSetError: it is not a file, too large, or cannot be read.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        raise ProblemSetError(f"{path} is not a file.", "Name a file of problems.")
    opened = gzip.open if path.lower().endswith(GZIP) else open
    try:
        with opened(path, "rb") as file:
            data = file.read(LARGEST + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise ProblemSetError(f"{path} is no complete gzip file.", "Copy it again, or unpack it.") from None
    except (OSError, ValueError) as error:
        raise ProblemSetError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    return _bounded(path, data, LARGEST, "Split it.")


def parse_jsonl(name: str, data: bytes) -> list[RawRow]:
    """Read one object from each line; blank lines are skipped."""
    return [_json_row(place, line) for place, line in _lines(name, _decode(name, data))]


def parse_line(name: str, number: int, data: bytes) -> RawRow | None:
    """Read one line of JSON Lines, by its number from 1; None where it is blank."""
    text, place = _decode(f"{name}, line {number}", data), f"{name}, line {number}"
    return None if not text or text.isspace() else _json_row(place, text)


def _lines(name: str, text: str) -> Iterator[tuple[str, str]]:
    """Yield position and text of each nonblank line; only a line feed ends a line, not U+2028 within a string."""
    number, start = 1, 0
    for count, found in enumerate(_LINE.finditer(text)):
        number += text.count("\n", start, found.start())
        start = found.start()
        place = f"{name}, line {number}"
        if count >= MOST_ROWS:
            raise ProblemSetError(f"{place}: a file may contain at most {MOST_ROWS:,} rows.", "Split it.")
        if found.end() - start > LARGEST_LINE:
            raise ProblemSetError(
                f"{place} has {found.end() - start:,} characters; at most {LARGEST_LINE:,} are read.",
                "Is each object on a line of its own?",
            )
        if not found[0].isspace():
            yield place, found[0]


def _parse_json(name: str, data: bytes) -> list[RawRow]:
    _bounded(name, data, LARGEST_JSON, "Write one object per line and name it .jsonl.")
    values = _parse(name, _decode(name, data), "If it has one object per line, name it .jsonl.")
    if not isinstance(values, list):
        raise ProblemSetError(f"{name} contains a {kind(values)}, not a list of objects.", "Write [{...}, {...}].")
    return [_row(f"{name}, row {number}", value) for number, value in enumerate(values, start=1)]


def _parse_csv(name: str, data: bytes) -> list[RawRow]:
    hint = "The first line of a CSV file names its columns: question,answer."
    reader = csv.reader(io.StringIO(_decode(name, data), newline=""), strict=True)
    header: list[str] = []
    rows: list[RawRow] = []
    start = 1
    try:
        for cells in reader:
            place, start = f"{name}, line {start}", reader.line_num + 1
            if not cells:
                continue
            if not header:
                header = _header(place, cells, hint)
            elif len(cells) != len(header):
                raise ProblemSetError(
                    f"{place}: {len(cells)} cells, but the first line names {len(header)} columns.",
                    "Put cells that contain commas in double quotes.",
                )
            else:
                rows.append(RawRow(place, dict(zip(header, map(read_cell, cells), strict=True)), hint))
    except csv.Error as error:
        raise ProblemSetError(f"{name}, line {reader.line_num}: invalid CSV: {error}.") from None
    if header and not rows:
        raise ProblemSetError(
            f"{name} contains no problems, only column names: {listed(header)}.",
            hint,
        )
    return rows


def _header(place: str, cells: list[str], hint: str) -> list[str]:
    names = [cell.strip() for cell in cells]
    if "" in names or len(set(names)) < len(names):
        raise ProblemSetError(
            f"{place}: column names must not be empty or repeated: {listed(names, quoted=True)}.", hint
        )
    return names


def _parse_parquet(name: str, data: bytes) -> list[RawRow]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as parquet
    except ImportError:
        raise MissingExtraError("pyarrow", "hub", "Reading Parquet files") from None
    values: list[Any] = []
    size = 0
    try:
        for batch in parquet.ParquetFile(io.BytesIO(data)).iter_batches(BATCH):
            size += batch.nbytes
            if size > LARGEST or len(values) + batch.num_rows > MOST_ROWS:
                raise ProblemSetError(
                    f"{name} contains more than {MOST_ROWS:,} rows or {LARGEST:,} bytes, decoded.", "Split it."
                )
            values += batch.to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = (str(error).splitlines() or ["unknown fault"])[0]
        raise ProblemSetError(f"{name} is not a valid Parquet file: {reason.rstrip('.')}.") from None
    return [_row(f"{name}, row {number}", value) for number, value in enumerate(values, start=1)]


READERS: Mapping[str, Callable[[str, bytes], list[RawRow]]] = MappingProxyType(
    {".jsonl": parse_jsonl, ".json": _parse_json, ".csv": _parse_csv, ".parquet": _parse_parquet}
)
"""Readers by extension."""


def _bounded(name: str, data: bytes, most: int, hint: str) -> bytes:
    if len(data) > most:
        raise ProblemSetError(f"{name} is larger than {most // MEBIBYTE:,} MiB, the limit.", hint)
    return data


def _decode(name: str, data: bytes) -> str:
    try:
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = error.start - data.rfind(b"\n", 0, error.start)
        raise ProblemSetError(
            f"{name}, line {line}: byte {byte} is not valid UTF-8.", "Save the file as UTF-8."
        ) from None


def _json_row(place: str, line: str) -> RawRow:
    return _row(place, _parse(place, line))


def _parse(place: str, text: str, hint: str = "") -> Any:
    try:
        return parse_json(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}" if "\n" in text.strip() else f"column {error.colno}"
        raise ProblemSetError(f"{place}: invalid JSON at {where}: {error.msg}.", hint) from None
    except ValueError as error:
        raise ProblemSetError(f"{place}: invalid JSON: {error}.") from None


def _row(place: str, value: Any) -> RawRow:
    if not isinstance(value, dict):
        raise ProblemSetError(
            f"{place}: a {kind(value)}, not an object.", 'Write {"question": "...", "answer": "..."}.'
        )
    return RawRow(place, value)
