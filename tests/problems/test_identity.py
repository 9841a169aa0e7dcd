"""Ids of problems, and samples by them."""

from __future__ import annotations

import pytest

from tt_scale.base_classes import Problem
from tt_scale.errors import ProblemSetError
from tt_scale.problems.identity import identify, sample


def problem(question: str, own: str = "", source: str = "sums") -> Problem:
    return Problem(own, question, "1", source=source)


def test_ids_depend_on_set_question_and_occurrence_alone() -> None:
    """An id that depends on the line number changes for all problems behind an inserted row."""
    one, two, again = identify([problem("a"), problem("b"), problem("a")], ["1", "2", "3"])
    assert len({one.id, two.id, again.id}) == 3
    assert [each.id for each in identify([problem("b"), problem("a")], ["1", "2"])] == [two.id, one.id]
    assert identify([problem("a", source="other")], ["1"])[0].id != one.id


def test_own_ids_are_kept_and_must_differ() -> None:
    """Two problems with one id would share a line of the journal."""
    assert identify([problem("a", "x")], ["1"])[0].id == "x"
    with pytest.raises(ProblemSetError, match="row 2: the id 'x' is already used by row 1"):
        identify([problem("a", "x"), problem("b", "x")], ["row 1", "row 2"])


def test_an_added_problem_replaces_at_most_one() -> None:
    """A sample by position would change completely, and no recorded result could be used again."""
    problems = [problem(str(number), str(number)) for number in range(100)]
    before = {each.id for each in sample(problems, 20, 7)}
    after = {each.id for each in sample([problem("new", "new"), *problems], 20, 7)}
    assert len(before - after) <= 1
