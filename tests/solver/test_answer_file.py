"""The file of answers and its journal."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tt_scale.config import Config
from tt_scale.core.budget import Usage
from tt_scale.core.path import Outcome
from tt_scale.core.records import Problem
from tt_scale.core.solution import Solution
from tt_scale.errors import JournalError
from tt_scale.solver.answer_file import AnswerJournal, answer_line, answer_record

CONFIG = Config(model_name="simulated", prm_name="simulated")
QUESTIONS = [Problem(name, f"What is {name}?", "") for name in "abc"]


def solution(name: str, error: str = "") -> Solution:
    return Solution("7", None, Outcome((), "finished"), Usage(), name, f"What is {name}?", error=error)


def answer(path: Path, *solutions: Solution, questions: list[Problem] = QUESTIONS) -> list[str]:
    """Answer in a run of its own; the ids that were left to it."""
    with AnswerJournal(path, CONFIG, questions) as journal:
        journal.check_questions()
        left = [question.id for question in journal.waiting()]
        for each in solutions:
            journal.append(answer_record(each))
        journal.write()
    return left


def ids(path: Path) -> list[str]:
    return [json.loads(line)["id"] for line in path.read_text().splitlines()]


def test_a_later_run_goes_on_and_the_file_has_the_order_of_the_questions(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    assert answer(path, solution("c")) == ["a", "b", "c"]
    assert ids(path) == ["c"]
    assert answer(path, solution("b"), solution("a")) == ["a", "b"]
    assert ids(path) == ["a", "b", "c"]
    line = path.read_text().splitlines()[2]
    assert line == answer_line(solution("c"))  # without the fields of the journal


def test_what_failed_is_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    answer(path, solution("a", "GeneratorError: no"), solution("b"))
    assert answer(path) == ["a", "c"]


def test_answers_to_other_questions_are_not_mixed_in(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    answer(path, solution("a"))
    for questions, told in (
        (QUESTIONS[1:], "answers 'a', which is not asked now"),
        ([replace(QUESTIONS[0], question="Else?"), *QUESTIONS[1:]], "answers 'a', which is asked something else now"),
    ):
        with pytest.raises(JournalError, match=told):
            answer(path, questions=questions)
    assert ids(path) == ["a"]


def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text("mine\n")
    with pytest.raises(JournalError, match="was not made by this command"):
        answer(path)
    assert path.read_text() == "mine\n"
