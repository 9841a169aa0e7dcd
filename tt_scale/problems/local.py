"""Local files: JSON Lines, JSON, CSV and Parquet.

A line of JSON Lines, the easiest to write::

    {"question": "What is 2 + 3?", "answer": "5", "level": 1, "id": "sums-1"}
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from tt_scale.errors import MissingExtraError, ProblemSetError
from tt_scale.problems.rows import Row, kind

__all__ = ["READERS", "parse_jsonl", "read_local"]


def read_local(path: str) -> list[Row]:
    """Read every row of a file; its extension says how.

    Raises:
        ProblemSetError: the file cannot be read, or a row is broken.
        MissingExtraError: Parquet without pyarrow.
    """
    extension = os.path.splitext(path)[1].lower()
    if extension not in READERS:
        raise ProblemSetError(
            f"{path} has the extension {extension!r}; allowed: {', '.join(READERS)}.", "Convert or rename the file."
        )
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise ProblemSetError(f"{path} cannot be read: {error.strerror or error}.") from None
    return READERS[extension](path, data)


def parse_jsonl(name: str, data: bytes) -> list[Row]:
    """Read one object from each line; blank lines are skipped."""
    lines = enumerate(_decode(name, data).split("\n"), start=1)  # splitlines() would cut at U+2028 inside a string
    return [_json_row(f"{name}, line {number}", line) for number, line in lines if line.strip()]


def _parse_json(name: str, data: bytes) -> list[Row]:
    values = _parse(name, _decode(name, data), "One object a line? Then call the file .jsonl.")
    if not isinstance(values, list):
        raise ProblemSetError(f"{name} holds a {kind(values)}, not a list of objects.", "Write [{...}, {...}].")
    return [_row(f"{name}, row {number}", value) for number, value in enumerate(values, start=1)]


def _parse_csv(name: str, data: bytes) -> list[Row]:
    hint = "The first line of a CSV file names its columns: question,answer."
    reader = csv.reader(io.StringIO(_decode(name, data), newline=""), strict=True)
    header: list[str] = []
    rows: list[Row] = []
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
                    "Put cells that hold commas in double quotes.",
                )
            else:
                rows.append(Row(place, dict(zip(header, cells, strict=True)), hint))
    except csv.Error as error:
        raise ProblemSetError(f"{name}, line {reader.line_num}: broken CSV: {error}.") from None
    if header and not rows:
        raise ProblemSetError(f"{name} holds no problems: its only line names the columns {', '.join(header)}.", hint)
    return rows


def _header(place: str, cells: list[str], hint: str) -> list[str]:
    names = [cell.strip() for cell in cells]
    if "" in names or len(set(names)) < len(names):
        raise ProblemSetError(f"{place}: column names must be there and differ: {', '.join(map(repr, names))}.", hint)
    return names


def _parse_parquet(name: str, data: bytes) -> list[Row]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as parquet
    except ImportError:
        raise MissingExtraError("pyarrow", "hub", "Reading Parquet files") from None
    try:
        values = parquet.ParquetFile(io.BytesIO(data)).read().to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = (str(error).splitlines() or ["unknown fault"])[0]
        raise ProblemSetError(f"{name} is no readable Parquet file: {reason.rstrip('.')}.") from None
    return [_row(f"{name}, row {number}", value) for number, value in enumerate(values, start=1)]


READERS: Mapping[str, Callable[[str, bytes], list[Row]]] = MappingProxyType(
    {".jsonl": parse_jsonl, ".json": _parse_json, ".csv": _parse_csv, ".parquet": _parse_parquet}
)
"""Extensions to readers."""


def _decode(name: str, data: bytes) -> str:
    try:
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = error.start - data.rfind(b"\n", 0, error.start)
        raise ProblemSetError(f"{name}, line {line}: byte {byte} is not UTF-8.", "Save the file as UTF-8.") from None


def _json_row(place: str, line: str) -> Row:
    return _row(place, _parse(place, line))


def _parse(place: str, text: str, hint: str = "") -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}" if "\n" in text.strip() else f"column {error.colno}"
        raise ProblemSetError(f"{place}: broken JSON at {where}: {error.msg}.", hint) from None
    except (RecursionError, ValueError) as error:
        raise ProblemSetError(f"{place}: broken JSON: {error}.") from None


def _row(place: str, value: Any) -> Row:
    if not isinstance(value, dict):
        raise ProblemSetError(
            f"{place}: a {kind(value)}, not an object.", 'Write {"question": "...", "answer": "..."}.'
        )
    return Row(place, value)
