"""Declaration of keys of the flat schema, and their headings."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["BUDGET", "DATA", "GROUPS", "MODEL", "RUNTIME", "SAMPLING", "SEARCH", "Keys", "key"]

MODEL, SAMPLING, SEARCH, BUDGET, DATA, RUNTIME = GROUPS = (
    "Model and method", "Sampling", "Search", "Budget", "Data and grading", "Runtime",
)  # fmt: skip
"""The headings in `example.yaml` and in `--help`."""


class Keys(BaseModel):
    """Base class of the parts of the schema: immutable, without unknown keys or infinite numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False)


def key(
    group: str, description: str, default: Any, *, experiment: bool = True, width: bool = False, **limits: Any
) -> Any:
    """Declare one key.

    Args:
        group: heading, one of `GROUPS`.
        description: one line that ends with a full stop.
        default: its value if none is given.
        experiment: whether it can change a result.
        width: whether methods derive it from `budget`.
        limits: the range, as pydantic's `Field` takes it.
    """
    extra: dict[str, Any] = {"group": group, "experiment": experiment, "width": width}
    return Field(default, description=description, json_schema_extra=extra, **limits)
