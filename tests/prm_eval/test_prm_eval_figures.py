"""From scores to figures, on rows that a hand can work out."""

from __future__ import annotations

import asyncio
import math

import pytest

from tt_scale.base_classes import Problem
from tt_scale.grading import Grader
from tt_scale.prm_eval.best_of_n import best_of_n_figures
from tt_scale.prm_eval.figures import (
    Items,
    Judged,
    calibration_figures,
    chosen_threshold,
    first_error_figures,
    halves,
)
from tt_scale.prm_eval.labelled import LabelledSolution, given_steps


def row(question, labels, scores, *, number=0, correct=None, answer=None, finished=True):
    problem = Problem(question, question, "")
    steps = given_steps(["step"] * len(labels))
    solution = LabelledSolution(
        f"{question}#{number}", problem, steps, tuple(labels), number, correct, answer, finished
    )
    return Judged(solution, tuple(scores))


def values(figures):
    return {figure.name.strip(): figure.value for figure in figures}


def test_steps_without_a_label_count_nowhere():
    """Behind the first error nobody judged: those steps must not move the area."""
    rows = [row("a", [True, False, None], [0.9, 0.2, 0.95]), row("b", [True], [0.6])]
    items, figures = calibration_figures(rows, "last")
    assert (items.unit, items.scores, items.labels) == ("steps", (0.2, 0.6, 0.9), (False, True, True))
    assert values(figures) == {"AUC, steps": 1.0, "calibration error, steps": pytest.approx((0.2 + 0.4 + 0.1) / 3)}


def test_first_steps_are_the_first_of_each_solution():
    """What a search sees first, and what a pass rate of first steps is about."""
    rows = [row("a", [True, False], [0.9, 0.2]), row("b", [None, True], [0.6, 0.7]), row("c", [False], [])]
    assert Items.of_steps(rows, first=True).scores == (0.9,)
    assert len(Items.of_steps(rows).scores) == 3


def test_solutions_are_calibrated_where_no_step_has_a_label():
    """A replay knows answers only; the aggregate decides what is ranked."""
    rows = [
        row("a", [None, None], [0.2, 0.9], correct=True),
        row("b", [None, None], [0.6, 0.7], correct=False),
        row("c", [None, None], [0.5, 0.8], correct=False),
    ]
    items, figures = calibration_figures(rows, "min")
    assert (items.unit, items.scores, items.labels) == ("solutions", (0.2, 0.5, 0.6), (True, False, False))
    found = values(figures)
    assert found["calibration error, solutions (min)"] == pytest.approx((0.8 + 0.5 + 0.6) / 3)
    assert (found["AUC, solutions by last"], found["AUC, solutions by min"]) == (1.0, 0.0)


def test_first_error_by_hand():
    """A failed solution stays in the denominator."""
    rows = [
        row("a", [True, False], [0.9, 0.3]),
        row("b", [True, False], []),
        row("c", [True, True], [0.9, 0.8]),
        row("d", [None, True], [0.1, 0.1]),  # nobody knows its first error
    ]
    found = values(first_error_figures(rows, 0.5))
    assert found["accuracy where a step is wrong"] == 0.5
    assert found["accuracy where all are right"] == 1.0
    assert found["first error, F1"] == pytest.approx(2 / 3)
    assert first_error_figures(rows[3:], 0.5) == []


def test_halves_keep_a_question_together():
    """A threshold chosen on one solution of a question and measured on another would know the question."""
    rows = [row(f"question {number % 40}", [True, False], [0.9, 0.1]) for number in range(200)]
    one, other = halves(rows)
    assert {each.group for each in one}.isdisjoint({each.group for each in other})
    assert len(one) + len(other) == 200
    assert min(len(one), len(other)) > 50
    assert 0.1 < chosen_threshold(one) <= 0.9


def best(rows, agg="last"):
    async def run():
        with Grader() as grader:
            return await best_of_n_figures(rows, agg, grader)

    return asyncio.run(run())


def test_best_of_n_by_hand():
    """Two questions, three solutions each; 1/2 and 0.5 are one answer."""
    first = [
        row("a", [None, None], [0.9, 0.3], number=0, correct=True, answer="0.5"),
        row("a", [None, None], [0.2, 0.8], number=1, correct=False, answer="3"),
        row("a", [None, None], [0.1, 0.1], number=2, correct=True, answer="\\frac{1}{2}"),
    ]
    second = [
        row("b", [None], [0.4], number=0, correct=False, answer="7"),
        row("b", [None], [0.99], number=1, correct=True, answer="8", finished=False),  # cut: can not be chosen
        row("b", [None], [], number=2, correct=True, answer="8"),  # failed: can not be the best, but votes
    ]
    found = values(best([*first, *second]))
    assert found["one solution"] == pytest.approx(2 / 3)
    assert found["majority of 3"] == 0.5  # b is a tie of 7 and 8, and 7 came first
    assert found["best of 3 by last"] == 0.0
    assert found["best of 3 by min"] == 0.5
    assert found["one of 3 is right"] == 1.0
    assert found["gain by last over one solution"] == pytest.approx(-2 / 3)
    assert found["gain by last over majority"] == -0.5


def test_solutions_without_an_answer_do_not_vote_together():
    """Two of them are no majority."""
    rows = [
        row("a", [None], [0.5], number=0, correct=False),
        row("a", [None], [0.5], number=1, correct=False),
        row("a", [None], [0.5], number=2, correct=True, answer="1"),
        row("a", [None], [0.5], number=3, correct=True, answer="1"),
    ]
    assert values(best(rows))["majority of 4"] == 1.0


def test_a_solution_without_an_answer_is_not_the_best():
    """A search never picks one; a PRM that scores it highest must not be credited with it, right or wrong."""
    rows = [
        row("a", [None], [0.9], number=0, correct=True),
        row("a", [None], [0.5], number=1, correct=False, answer="3"),
        row("a", [None], [0.2], number=2, correct=False),
    ]
    found = values(best(rows))
    assert (found["best of 3 by last"], found["majority of 3"]) == (0.0, 0.0)
    nobody = values(best([row("a", [None], [0.9], number=n, correct=True) for n in range(2)]))
    assert (nobody["best of 2 by last"], nobody["one of 2 is right"]) == (0.0, 1.0)


def test_single_solutions_have_no_best():
    """ProcessBench has one solution a row; a gain of exactly nothing would be no measurement."""
    assert best([row("a", [True], [0.5], correct=True)]) == []
    assert best([]) == []


def test_intervals_come_from_questions():
    """One question alone says nothing of the next."""
    one = first_error_figures([row("a", [True], [0.9]), row("a", [False], [0.1], number=1)], 0.5)
    assert all(math.isnan(figure.low) for figure in one)
    many = [row(f"q{n}", [n % 3 > 0], [0.3 + 0.4 * (n % 2)], number=n) for n in range(60)]
    _, figures = calibration_figures(many, "last")
    assert all(figure.low < figure.value < figure.high for figure in figures)
