r"""Exact checker of solution steps, independent of any model.

A step contains one equation (`14 + 15 = 29`) in any wording. It is right if all steps before it are, the equation is
true, and it is an operation of the problem's plan that was not computed before, on numbers that the question states or
earlier steps computed. Operations may come in any order that this allows, and so may the operands of a sum or product.
The last step, `\boxed{...}`, contains no equation and states the value of the plan's last operation, computed before.
Other derivations (subtracting first what the plan adds first) do not count: the models that are checked were trained on
the plan's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tt_scale.core.extraction import extract_answer
from tt_scale.pocket.plan import OPERATORS, Operation, PocketProblem

__all__ = ["follows", "right_steps"]

_EQUATION = re.compile(
    # not the end of a longer sum (`10 + 5 + 4 = 9`), of a decimal or of a negative number
    r"(?<![\d.+*/-])(?<!\d,)(?<![-+*/] )(?<!mod )(?<!% of )"
    r"(\d{1,9})(?: ([-+*/]|mod) |(% of) )(\d{1,9}) = (\d{1,9})"
    r"(?!\d|[.,]\d| ?[-+*/%]| mod\b)",
    re.ASCII,
)


def right_steps(problem: PocketProblem, steps: Sequence[str]) -> list[bool]:
    """Check every step of a solution; all steps after the first wrong one are wrong.

    Args:
        problem: the problem.
        steps: texts of the steps [steps].

    Returns:
        Whether each step is right [steps].
    """
    # Possible sets of pending operations: of two equal operations, only a later step shows which one was meant.
    pending_sets = {frozenset(range(len(problem.plan)))}
    verdicts: list[bool] = []
    for step in steps:
        pending_sets = {after for pending in pending_sets for after in _accept(problem, step, pending)}
        verdicts.append(bool(pending_sets))
    return verdicts


def follows(problem: PocketProblem, before: Sequence[str], step: str) -> bool:
    """Check one step after the steps before it; see `right_steps`."""
    return right_steps(problem, [*before, step])[-1]


def _accept(problem: PocketProblem, step: str, pending: frozenset[int]) -> list[frozenset[int]]:
    """Possible sets of pending operations after a step that follows right ones; empty if the step is wrong."""
    boxed = extract_answer(step)
    if boxed is not None:
        done = "=" not in step and len(problem.plan) - 1 not in pending
        return [pending] if done and boxed.strip() == problem.answer else []
    equations = _EQUATION.findall(step)
    if len(equations) != 1 or step.count("=") != 1:
        return []
    left, plain, percent, right, result = equations[0]
    accepted = []
    for index in pending:
        operation = problem.plan[index]
        known = all(operand.source not in pending for operand in (operation.left, operation.right))
        if known and int(result) == operation.value and _same(operation, int(left), plain or percent, int(right)):
            accepted.append(pending - {index})
    return accepted


def _same(operation: Operation, left: int, sign: str, right: int) -> bool:
    if sign != operation.sign or sign not in OPERATORS:
        return False
    planned = (operation.left.value, operation.right.value)
    return planned == (left, right) or (sign in "+*" and planned == (right, left))
