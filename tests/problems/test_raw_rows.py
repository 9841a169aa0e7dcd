"""Conversion of raw rows to problems."""

from __future__ import annotations

from typing import Any

import pytest

from tt_scale.errors import ProblemSetError
from tt_scale.problems.rows import RawRow, kind, read_problem


def read(**values: Any) -> tuple[str, int | None, str | None]:
    problem = read_problem(RawRow("x.jsonl, line 3", {"question": "1 + 1?", **values}), "x")
    return problem.answer, problem.level, problem.subject


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"answer": 142.0}, ("142", None, None)),
        ({"answer": ["2"]}, ("2", None, None)),
        ({"answer": "4/2=<<4/2=2>>2\n#### 1,042"}, ("1042", None, None)),
        ({"solution": r"so \boxed{2}"}, ("2", None, None)),
        ({"solution": r"\boxed{3}, no: \boxed{2}"}, ("2", None, None)),
        ({"solution": r"\boxed{3} is not right, so \boxed{2}"}, ("2", None, None)),
        ({"solution": r"\boxed{2}, written within \boxed{}"}, ("2", None, None)),
        ({"answer": r"4/2=2 #### \boxed{2}"}, ("2", None, None)),
        ({"answer": r"#### \boxed{2} or \boxed{3}"}, ("2, 3", None, None)),
        ({"solution": "4/2=2\n#### 2"}, ("2", None, None)),
        ({"answer": "2", "level": "Level 3", "type": "Algebra"}, ("2", 3, "Algebra")),
        ({"answer": "2", "level": "Level ?", "problem_type": ["a", "b"]}, ("2", None, "a, b")),
    ],
)
def test_fields_of_public_sets(values: dict[str, Any], expected: tuple[str, int | None, str | None]) -> None:
    """Each form of answer, level and subject that a public set uses."""
    assert read(**values) == expected


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "x.jsonl, line 3: no field for the answer"),
        ({"answer": ""}, "is empty"),
        ({"answer": {"a": 1}}, "is a JSON object, not text or a number"),
        ({"answer": float("inf")}, "is infinite"),
        ({"solution": r"\boxed{2} then \boxed{3}"}, "several boxes that do not form a list: 2; 3"),
        ({"solution": r"\boxed{2}, not \boxed{3}"}, "several boxes that do not form a list: 2; 3"),
        (
            {"solution": r"\boxed{1} if n is not even, \boxed{2} otherwise"},
            "several boxes that do not form a list: 1; 2",
        ),
        ({"solution": r"No case but n = 1: \boxed{2}. There is no other but n = 2: \boxed{3}"}, "list: 2; 3"),
        ({"answer": r"#### \boxed{2} then \boxed{3}"}, "several boxes that do not form a list: 2; 3"),
        ({"solution": r"\boxed{2} or \boxed{3"}, "ends within a box"),
        ({"answer": "2", "id": "a\x07"}, "contains a control character"),
    ],
)
def test_invalid_rows_are_named(values: dict[str, Any], message: str) -> None:
    """A wrong gold answer makes right solutions wrong, without any message."""
    with pytest.raises(ProblemSetError, match=message):
        read(**values)


def test_types_are_named_as_in_json() -> None:
    """A message about a `NoneType` or a `dict`."""
    assert [kind(value) for value in ({}, "a", True, 1, 1.5, None, [1, 2])] == [
        "JSON object", "text", "boolean", "number", "number", "null", "list of 2",
    ]  # fmt: skip
