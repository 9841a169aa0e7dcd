"""Declaration of keys of the flat schema, and their headings."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "BUDGET",
    "DATA",
    "GROUPS",
    "MODEL",
    "MOST_PATHS",
    "RUNTIME",
    "SAMPLING",
    "SEARCH",
    "Keys",
    "key",
    "path_count",
]

MODEL, SAMPLING, SEARCH, BUDGET, DATA, RUNTIME = GROUPS = (
    "Model and method", "Sampling", "Search", "Budget", "Data and grading", "Runtime",
)  # fmt: skip
"""The headings in `example.yaml` and in `--help`."""

MOST_PATHS = 100_000
"""Largest number of paths that a search may extend at once; they take about a gigabyte of memory."""


class Keys(BaseModel):
    """Base class of the parts of the schema: immutable, without unknown keys or infinite numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False)


def key(
    group: str,
    description: str,
    default: Any,
    *,
    experiment: bool = True,
    width: bool = False,
    paths: bool = False,
    **limits: Any,
) -> Any:
    """Declare one key.

    Args:
        group: heading, one of `GROUPS`.
        description: one line that ends with a full stop.
        default: its value if none is given.
        experiment: whether it can change a result.
        width: whether methods derive it from `budget`.
        paths: whether it counts paths; use `path_count` for these.
        limits: the range, as pydantic's `Field` takes it.
    """
    extra: dict[str, Any] = {"group": group, "experiment": experiment, "width": width, "paths": paths}
    return Field(default, description=description, json_schema_extra=extra, **limits)


def path_count(
    group: str,
    description: str,
    default: int | None,
    *,
    width: bool = False,
    least: int = 1,
    most: int | None = MOST_PATHS,
) -> Any:
    """Declare a key that counts paths, of which a search cannot have any number at once.

    Args:
        group: as of `key`.
        description: as of `key`.
        default: as of `key`.
        width: as of `key`.
        least: smallest value.
        most: largest value; None for a mere limit, which may lie beyond all that a search reaches.
    """
    return key(group, description, default, width=width, paths=True, ge=least, le=most)
