"""The checker that labels the steps of pocket models: what follows, and what only looks as if it did."""

from __future__ import annotations

import re
from random import Random

import pytest

from tt_scale.pocket import Operation, PocketProblem, follows, pocket_math, right_steps
from tt_scale.pocket.plan import Operand


def planned(question, *rows):
    """Give a problem with this plan; `r0` in a row is the result of the first operation."""
    plan = []
    for left, sign, right in rows:
        operands = [
            Operand(plan[int(each[1:])].value, int(each[1:])) if isinstance(each, str) else Operand(each)
            for each in (left, right)
        ]
        plan.append(Operation(operands[0], sign, operands[1]))
    answer = str(plan[-1].value)
    steps = (*[operation.equation for operation in plan], rf"The answer is \boxed{{{answer}}}.")
    return PocketProblem("hand-made", question, answer, len(plan) - 1, "goods", tuple(plan), steps)


STORY = planned(
    "Mia has 14 apples. Ben has 6 cups. Mia buys 3 bags of 5 apples. Mia loses 4 apples. Mia sells 20 percent of the "
    "apples. How many apples are left in the end?",
    (3, "*", 5),
    (14, "+", "r0"),
    ("r1", "-", 4),
    (20, "% of", "r2"),
    ("r2", "-", "r3"),
)
SHARES = planned(
    "8 people and 5 more pay 9 - 2 dollars each. What remains of boxes of 10?",
    (8, "+", 5),
    (9, "-", 2),
    ("r0", "*", "r1"),
    ("r2", "mod", 10),
)
HALVES = planned("What is (30 - 4) / 2?", (30, "-", 4), ("r0", "/", 2))
TWINS = planned("What is 15 + 10 + (4 + (10 + 15))?", (15, "+", 10), (10, "+", 15), (4, "+", "r1"), ("r0", "+", "r2"))


def judge(problem, text):
    """Count the steps that follow, up to the first that does not; none may follow after it."""
    verdicts = right_steps(problem, text.split("; "))
    good = verdicts.index(False) if False in verdicts else len(verdicts)
    assert verdicts == [True] * good + [False] * (len(verdicts) - good)
    return good


@pytest.mark.parametrize(
    ("problem", "steps"),
    [
        (STORY, r"3 * 5 = 15; 14 + 15 = 29; 29 - 4 = 25; 20% of 25 = 5; 25 - 5 = 20; The answer is \boxed{20}."),
        (SHARES, r"8 + 5 = 13; 9 - 2 = 7; 13 * 7 = 91; 91 mod 10 = 1; The answer is \boxed{1}."),
        (HALVES, r"30 - 4 = 26; 26 / 2 = 13; \boxed{13}"),
        # another order
        (SHARES, r"9 - 2 = 7; 8 + 5 = 13; 13 * 7 = 91; 91 mod 10 = 1; \boxed{1}"),
        # sums and products the other way round
        (STORY, "5 * 3 = 15; 15 + 14 = 29; 29 - 4 = 25"),
        (SHARES, "5 + 8 = 13; 9 - 2 = 7; 7 * 13 = 91"),
        # other words
        (STORY, "That is 3 * 5 = 15 apples.; So Mia, who had 14, has 14 + 15 = 29 apples now!"),
        (STORY, "3 * 5 = 15 (3 bags of 5); Step 2:\n14 + 15 = 29\n"),
        (HALVES, r"$30 - 4 = 26$; 26 / 2 = 13, half of 26; Two halves, 26, so \boxed{ 13 }"),
        # of two equal operations either may come first
        (TWINS, r"15 + 10 = 25; 10 + 15 = 25; 4 + 25 = 29; 25 + 29 = 54; \boxed{54}"),
        (TWINS, r"10 + 15 = 25; 4 + 25 = 29; 15 + 10 = 25; 25 + 29 = 54; \boxed{54}"),
        (TWINS, r"15 + 10 = 25; 4 + 25 = 29; 15 + 10 = 25; 25 + 29 = 54; \boxed{54}"),
    ],
)
def test_right(problem, steps):
    """A right step that is called wrong teaches a PRM to distrust what is true."""
    assert judge(problem, steps) == len(steps.split("; "))


@pytest.mark.parametrize(
    ("problem", "steps", "good"),
    [
        # a wrong result, and everything after it
        (STORY, "3 * 5 = 16; 14 + 15 = 29; 29 - 4 = 25", 0),
        (STORY, "3 * 5 = 15; 14 + 15 = 28; 28 - 4 = 24", 1),
        (SHARES, r"8 + 5 = 13; 9 - 2 = 7; 13 * 7 = 90; 91 mod 10 = 1; \boxed{1}", 2),
        (HALVES, "30 - 4 = 26; 26 / 2 = 12", 1),
        (STORY, "3 * 5 = 15; 3 * 5 = 16", 1),
        # true, but another number or another sign
        (STORY, "3 * 5 = 15; 13 + 15 = 28", 1),
        (STORY, "3 * 5 = 15; 14 + 5 = 19", 1),
        (STORY, "3 + 5 = 8", 0),
        (STORY, "3 * 5 = 15; 14 + 15 = 29; 29 + 4 = 33", 2),
        (STORY, "3 * 5 = 15; 14 + 15 = 29; 29 - 4 = 25; 10% of 25 = 2", 3),
        (SHARES, "8 + 5 = 13; 9 - 2 = 7; 13 * 7 = 91; 91 / 10 = 9", 3),
        # a number that has nothing to do with it
        (STORY, "14 + 6 = 20; 3 * 5 = 15", 0),
        (STORY, "3 * 5 = 15; 6 + 15 = 21", 1),
        # differences, quotients, remainders and percentages the other way round
        (SHARES, "2 - 9 = 7", 0),
        (SHARES, "2 - 9 = 0", 0),
        (HALVES, "4 - 30 = 26", 0),
        (HALVES, "30 - 4 = 26; 2 / 26 = 13", 1),
        (SHARES, "8 + 5 = 13; 9 - 2 = 7; 13 * 7 = 91; 10 mod 91 = 10", 3),
        (STORY, "3 * 5 = 15; 14 + 15 = 29; 29 - 4 = 25; 25% of 20 = 5", 3),
        # computed before
        (STORY, "3 * 5 = 15; 3 * 5 = 15; 14 + 15 = 29", 1),
        (STORY, "3 * 5 = 15; 5 * 3 = 15", 1),
        (TWINS, "15 + 10 = 25; 10 + 15 = 25; 15 + 10 = 25", 2),
        # on a number that nothing has given yet
        (STORY, "14 + 15 = 29", 0),
        (SHARES, "8 + 5 = 13; 13 * 7 = 91; 9 - 2 = 7", 1),
        (TWINS, "15 + 10 = 25; 4 + 25 = 29; 25 + 29 = 54", 2),
        # another way to the same answer
        (STORY, "3 * 5 = 15; 14 - 4 = 10; 10 + 15 = 25", 1),
        # two equations, none, or a longer sum
        (SHARES, "8 + 5 = 13 and 9 - 2 = 7", 0),
        (SHARES, "8 + 5 = 13 = 13", 0),
        (SHARES, "8 + 5 = 13, as x = 8", 0),
        (SHARES, "; 8 + 5 = 13", 0),
        (SHARES, "There are 13 people.; 8 + 5 = 13", 0),
        (SHARES, "8 + 5", 0),
        # the end or the beginning of something else, which may be false
        (SHARES, "1 + 8 + 5 = 13", 0),
        (SHARES, "3 * 8 + 5 = 13", 0),
        (SHARES, "3*8 + 5 = 13", 0),
        (SHARES, "9 mod 8 + 5 = 13", 0),
        (SHARES, "50% of 8 + 5 = 13", 0),
        (SHARES, "-8 + 5 = 13", 0),
        (SHARES, "1,8 + 5 = 13", 0),
        (SHARES, "18 + 5 = 13", 0),
        (SHARES, "8 + 5 + 1 = 13", 0),
        (SHARES, "8 + 5 = 13 + 1", 0),
        (SHARES, "8 + 5 = 13 mod 2", 0),
        (SHARES, "8 + 5 = 13%", 0),
        (SHARES, "8 + 5 = 130", 0),
        (SHARES, "8 + 5 = 13,5", 0),
        # decimals, other digits, numbers without end
        (SHARES, "8 + 5 = 13.5", 0),
        (SHARES, "8 + 5 = 13.0", 0),
        (SHARES, "3.8 + 5 = 13", 0),
        (SHARES, "8.0 + 5 = 13", 0),
        (SHARES, "8 + 5.0 = 13", 0),
        (SHARES, "8 + 3.5 = 11.5", 0),
        (SHARES, "\u0668 + 5 = 13", 0),
        (SHARES, "8 + 5 = 000000000000013", 0),
        # the answer too early, wrong, or beside an equation
        (SHARES, r"\boxed{1}; 8 + 5 = 13", 0),
        (SHARES, r"8 + 5 = 13; 9 - 2 = 7; 13 * 7 = 91; The answer is \boxed{1}.", 3),
        (HALVES, r"30 - 4 = 26; 26 / 2 = 13; The answer is \boxed{26}.", 2),
        (HALVES, r"30 - 4 = 26; 26 / 2 = 13; The answer is \boxed{13.0}.", 2),
        (HALVES, r"30 - 4 = 26; 26 / 2 = 13; The answer is \boxed{}.", 2),
        (HALVES, r"30 - 4 = 26; 26 / 2 = 13; The answer is \boxed{13", 2),
        (HALVES, r"30 - 4 = 26; 26 / 2 = 13; The answer is 13.", 2),
        (HALVES, r"30 - 4 = 26; 26 / 2 = 13 \boxed{13}", 1),
        (HALVES, r"30 - 4 = 26; 26 / 2 = 13; 1 + 1 = 3, so \boxed{13}", 2),
        (HALVES, r"30 - 4 = 26; 26 / 2 = 13; 1 + 1 + 1 = 4, so \boxed{13}", 2),
        # nothing can be computed after the answer
        (HALVES, r"30 - 4 = 26; 26 / 2 = 13; \boxed{13}; 26 / 2 = 13", 3),
    ],
)
def test_wrong(problem, steps, good):
    """A wrong step that is called right: true by itself, or by accident, or read in part."""
    assert judge(problem, steps) == good


def test_follows_judges_the_last_step_only_after_the_others():
    """A step judged alone would follow after a wrong one, or before what it needs."""
    assert follows(STORY, [], "3 * 5 = 15")
    assert follows(STORY, ["3 * 5 = 15"], "14 + 15 = 29")
    assert not follows(STORY, ["3 * 5 = 16"], "14 + 15 = 29")
    assert not follows(STORY, [], "14 + 15 = 29")
    assert right_steps(STORY, []) == []


def test_model_solutions_follow():
    """The solutions that a model is taught must not be labelled wrong."""
    for problem in pocket_math(1500, seed=11, split="train") + pocket_math(500, seed=11):
        assert right_steps(problem, problem.steps) == [True] * len(problem.steps), problem


def test_every_possible_order_follows():
    """An order that the plan does not have, where no step comes before what it needs."""
    random = Random(3)
    for problem in pocket_math(1000, levels=(3, 4, 5), split="train"):
        done: list[int] = []
        while len(done) < len(problem.plan):
            possible = [
                place
                for place, operation in enumerate(problem.plan)
                if place not in done and {operation.left.source, operation.right.source} <= {None, *done}
            ]
            done.append(random.choice(possible))
        steps = [*(problem.steps[place] for place in done), problem.steps[-1]]
        assert right_steps(problem, steps) == [True] * len(steps), steps


def test_any_changed_number_is_wrong():
    """One wrong digit anywhere in a right solution, and the step is still called right."""
    changed = 0
    for problem in pocket_math(400, seed=5, split="train"):
        for place, step in enumerate(problem.steps):
            for number in re.finditer(r"\d+", step):
                value = int(number[0])
                for other in {value + 1, value + 10, value * 10 + 1, abs(value - 1)} - {value}:
                    slip = f"{step[: number.start()]}{other}{step[number.end() :]}"
                    steps = [*problem.steps[:place], slip, *problem.steps[place + 1 :]]
                    expected = [True] * place + [False] * (len(steps) - place)
                    assert right_steps(problem, steps) == expected, steps
                    changed += 1
    assert changed > 15_000
