"""Questions without gold answers: from a file, or line by line as they come."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from tt_scale.core.question_id import question_id
from tt_scale.core.records import Problem
from tt_scale.errors import ProblemSetError
from tt_scale.problems.local import parse_line, read_local
from tt_scale.problems.rows import RawRow, read_problem

__all__ = ["read_questions", "stream_questions"]


def read_questions(path: str, question_field: str | None = None) -> list[Problem]:
    """Read all questions of a file: .jsonl, .json, .csv or .parquet.

    A row without an id gets that of its question, as in `solve`; where a question occurs again, with a number.

    Raises:
        ProblemSetError: the file cannot be read, holds no question, or an id occurs twice.
    """
    rows = read_local(os.path.expanduser(path))
    if not rows:
        raise ProblemSetError(f"{path} holds no questions.", 'Write one a line: {"question": "What is 2 + 3?"}')
    return list(_named(rows, os.path.basename(path), question_field))


def stream_questions(lines: Iterable[bytes], name: str, question_field: str | None = None) -> Iterator[Problem]:
    """Read a question from each line of JSON as it comes; blank lines are skipped.

    Args:
        lines: with or without their line ends.
        name: what messages call the source.
        question_field: field of the question, where it has no usual name.

    Raises:
        ProblemSetError: a line is no question, or an id occurs twice.
    """
    rows = (parse_line(name, number, line) for number, line in enumerate(lines, 1))
    return _named((row for row in rows if row is not None), name, question_field)


def _named(rows: Iterable[RawRow], source: str, question_field: str | None) -> Iterator[Problem]:
    occurrences: Counter[str] = Counter()
    taken: dict[str, str] = {}
    for row in rows:
        problem = read_problem(row, source, question_field, gold=False)
        name = problem.id or question_id(problem.question)
        if not problem.id:
            occurrences[name] += 1
            name = name if occurrences[name] == 1 else f"{name}-{occurrences[name]}"
        if name in taken:
            raise ProblemSetError(
                f"{row.place}: the id {name!r} is already that of {taken[name]}.", "Give each row its own id."
            )
        taken[name] = row.place
        yield replace(problem, id=name)
