r"""Whether a step of a solution follows: exact, and independent of any model.

A step holds one equation (`14 + 15 = 29`), in whatever words. It follows where all before it follow, the equation is
true, and it is an operation of the problem's plan, not computed before, on numbers that the question states or
earlier steps computed; the order is free as far as that allows, and so is that of the numbers of a sum or product. The
last step, `\boxed{...}`, holds no equation and states the value of the plan's last operation, computed before. Other
ways to the answer (taking away first what another would add first) do not count: the models that are checked were
taught one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tt_scale.core.extraction import extract_answer
from tt_scale.pocket.plan import OPERATORS, Operation, PocketProblem

__all__ = ["follows", "right_steps"]

_EQUATION = re.compile(
    # no end of a longer sum (`10 + 5 + 4 = 9`), of a decimal or of a number below zero
    r"(?<![\d.+*/-])(?<!\d,)(?<![-+*/] )(?<!mod )(?<!% of )"
    r"(\d{1,9})(?: ([-+*/]|mod) |(% of) )(\d{1,9}) = (\d{1,9})"
    r"(?!\d|[.,]\d| ?[-+*/%]| mod\b)",
    re.ASCII,
)


def right_steps(problem: PocketProblem, steps: Sequence[str]) -> list[bool]:
    """Judge every step of a solution; after the first that does not follow, none does.

    Args:
        problem: which is solved.
        steps: texts [steps].

    Returns:
        Whether each follows [steps].
    """
    # Which operations are still open; of two equal ones, only a later step may tell which was meant.
    readings = {frozenset(range(len(problem.plan)))}
    verdicts: list[bool] = []
    for step in steps:
        readings = {after for still_open in readings for after in _accept(problem, step, still_open)}
        verdicts.append(bool(readings))
    return verdicts


def follows(problem: PocketProblem, before: Sequence[str], step: str) -> bool:
    """Judge one step after the steps before it; see `right_steps`."""
    return right_steps(problem, [*before, step])[-1]


def _accept(problem: PocketProblem, step: str, still_open: frozenset[int]) -> list[frozenset[int]]:
    """Judge a step after sound ones: what may be open after it; empty where it does not follow."""
    boxed = extract_answer(step)
    if boxed is not None:
        done = "=" not in step and len(problem.plan) - 1 not in still_open
        return [still_open] if done and boxed.strip() == problem.answer else []
    equations = _EQUATION.findall(step)
    if len(equations) != 1 or step.count("=") != 1:
        return []
    left, plain, percent, right, result = equations[0]
    found = []
    for place in still_open:
        operation = problem.plan[place]
        known = all(operand.source not in still_open for operand in (operation.left, operation.right))
        if known and int(result) == operation.value and _same(operation, int(left), plain or percent, int(right)):
            found.append(still_open - {place})
    return found


def _same(operation: Operation, left: int, sign: str, right: int) -> bool:
    if sign != operation.sign or sign not in OPERATORS:
        return False
    planned = (operation.left.value, operation.right.value)
    return planned == (left, right) or (sign in "+*" and planned == (right, left))
