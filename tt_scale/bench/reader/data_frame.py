"""The numbers of a run as a table of pandas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tt_scale.bench.reader.journal_index import ProblemRecord
from tt_scale.bench.reader.search_record import Row
from tt_scale.bench.record import CALL_SECONDS
from tt_scale.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["data_frame"]

FIELDS = ("index", "id", "repeat", "level", "grade", "correct", "answer", "gold", "right", "stopped", "error")
MAYBE = {"level": "Int64", "answer": "string", "subject": "string", **dict.fromkeys(CALL_SECONDS, "float64")}
"""Columns in which values may be missing, and types of pandas that have a missing value of their own."""


def data_frame(rows: Sequence[Row], problems: Mapping[str, ProblemRecord]) -> pd.DataFrame:
    """Give one line for each search: its fields, then what was spent, then counts.

    Args:
        rows: of the searches.
        problems: that they searched, by id.

    Raises:
        ConfigError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        raise ConfigError(
            "A table of pandas needs the package 'pandas', which is not installed.", "Type: pip install pandas"
        ) from None
    return pd.DataFrame([_line(row, problems[row.id]) for row in rows], columns=_columns(rows)).astype(MAYBE)


def _columns(rows: Sequence[Row]) -> list[str]:
    """Columns in one order, those of counts that some rows lack among them."""
    from tt_scale.core.budget import Usage

    counts = dict.fromkeys([count for row in rows for count in row.telemetry])
    return [*FIELDS, "subject", *Usage.__dataclass_fields__, *CALL_SECONDS, *counts]


def _line(row: Row, problem: ProblemRecord) -> dict[str, Any]:
    values = {field: getattr(row, field) for field in FIELDS}
    seconds = {name: getattr(row, name) for name in CALL_SECONDS}
    return {**values, "subject": problem.subject, **asdict(row.usage), **seconds, **row.telemetry}
