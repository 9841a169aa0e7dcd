r"""Header of a file of recorded samples: an optional first line with properties of all samples.

One header::

    {"format": "recorded samples", "answer_rule": "last_number", "generator": "owner/model", "temperature": 0.8}
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast, get_args

from tt_scale.core.final_answer import AnswerRule
from tt_scale.core.printable import has_controls, shown
from tt_scale.errors import ProblemSetError
from tt_scale.problems.rows import RawRow

__all__ = ["FORMAT", "Header", "read_header", "without_header"]

FORMAT = "recorded samples"
RULES: tuple[str, ...] = get_args(AnswerRule)


@dataclass(frozen=True, slots=True)
class Header:
    """Properties of all samples of a file.

    Attributes:
        answer_rule: how solutions state their answer; None if not stated.
        generator: the model that sampled them; empty if not stated.
        temperature: temperature at which they were sampled; None if not stated.
    """

    answer_rule: AnswerRule | None = None
    generator: str = ""
    temperature: float | None = None


def without_header(rows: Sequence[RawRow]) -> list[RawRow]:
    """Remove the header of a file, if it has one."""
    return list(rows[1:] if rows and rows[0].values.get("format") == FORMAT else rows)


def read_header(rows: Sequence[RawRow]) -> Header:
    """Read the header of a file, and the `answer_rule` of its rows, which may state it instead.

    Raises:
        ProblemSetError: a field is invalid, or two rows state different rules.
    """
    headed = bool(rows) and rows[0].values.get("format") == FORMAT
    values = rows[0].values if headed else {}
    return Header(_rule(rows), _name(rows[0], values.get("generator")) if headed else "", _temperature(rows, values))


def _rule(rows: Sequence[RawRow]) -> AnswerRule | None:
    stated: dict[str, str] = {}
    for row in rows:
        rule = row.values.get("answer_rule")
        if rule is None:
            continue
        if rule not in RULES:
            raise ProblemSetError(f"{row.place}: answer_rule is {shown(rule)}; allowed: {', '.join(RULES)}.")
        stated.setdefault(rule, row.place)
    if len(stated) > 1:
        (one, _), (other, place) = list(stated.items())[:2]
        raise ProblemSetError(
            f"{place}: answer_rule is {other!r}, but {one!r} in an earlier row.", "Use one rule for all rows."
        )
    return cast("AnswerRule | None", next(iter(stated), None))


def _name(row: RawRow, value: Any) -> str:
    if value is not None and (not isinstance(value, str) or has_controls(value)):
        raise ProblemSetError(f"{row.place}: generator is {shown(value)}; the name of a model is needed.")
    return value or ""


def _temperature(rows: Sequence[RawRow], values: Any) -> float | None:
    value = values.get("temperature")
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is not None and not (number and 0 <= value <= 100):
        raise ProblemSetError(f"{rows[0].place}: temperature is {shown(value)}; a number from 0 on is needed.")
    return None if value is None else float(value)
