"""The problem set of the simulated world."""

from __future__ import annotations

import pytest

from tt_scale.errors import ProblemSetError
from tt_scale.problems import (
    SimulatedQuestion,
    load_problems,
    parse_question,
    simulated_answer,
    simulated_problems,
    simulated_question,
)


def test_rows():
    """The generator reads level and steps from the text: a changed wording would silence it."""
    first, second = simulated_problems(2)
    assert first.question == "Simulated problem 0: level 1, 3 steps."
    assert (second.id, second.question, second.level) == ("sim-00001", "Simulated problem 1: level 2, 4 steps.", 2)
    assert simulated_problems(6)[5].question == "Simulated problem 5: level 1, 3 steps."


def test_answers_are_fixed_and_spread():
    """Answers that follow the number, or few values, would let a wrong answer be right by chance."""
    answers = [simulated_answer(number) for number in range(1000)]
    assert answers[:4] == [494, 992, 960, 841]
    assert min(answers) >= 100
    assert max(answers) <= 999
    assert len(set(answers)) > 550
    assert [problem.answer for problem in simulated_problems()] == [str(answer) for answer in answers]


@pytest.mark.parametrize("question", [SimulatedQuestion(0, 1, 3), SimulatedQuestion(123456, 9, 40)])
def test_parse_is_the_inverse(question):
    """Only the bundled numbers of steps could be read back."""
    assert parse_question(simulated_question(question.number, question.level, question.steps)) == question


@pytest.mark.parametrize(
    "text",
    [
        "",
        "What is 2 + 2?",
        "Simulated problem 1: level 2, 4 steps",
        "Simulated problem 1: level 2, 4 steps. Really?",
        "Simulated problem -1: level 2, 4 steps.",
        "Simulated problem \u0661: level 2, 4 steps.",
    ],
)
def test_other_questions_are_refused(text):
    """A real problem given to the simulated generator got an invented answer, or a traceback."""
    with pytest.raises(ProblemSetError, match=r"'Simulated problem 7: level 3, 5 steps\.'.*--dataset simulated"):
        parse_question(text)


def test_loads_by_name():
    """`--dataset simulated` ignored num_samples."""
    assert load_problems("simulated") == simulated_problems(1000)
    assert len(load_problems("simulated", num_samples=7)) == 7
