"""Right solutions with one slip put in: errors without end, of the kinds that small models make.

After the slip the solution goes on as if nothing had happened, so that later steps are at odds with the problem but
not with each other.
"""

from __future__ import annotations

import re
from dataclasses import replace
from random import Random

from tt_scale.pocket import Operation, PocketProblem
from tt_scale.pocket.plan import OPERATORS, Operand, Sign

_EQUATION = re.compile(r"\d+ ?(?:[-+*/]|mod|% of) \d+ = \d+")
_SIGNS: tuple[Sign, ...] = ("+", "-", "*")


def corrupted(problem: PocketProblem, random: Random) -> list[str]:
    """Write the solution of a problem with one slip in a step drawn at random.

    Args:
        problem: whose solution is spoilt; the slip may by chance change nothing, so the checker has the last word.
        random: where every choice comes from.

    Returns:
        The steps [steps].
    """
    place = random.randrange(len(problem.plan))
    kind = random.choice(("result", "operand", "operand", "sign", "skip", "copy"))
    values: list[int] = []
    steps: list[str] = []
    for index, operation in enumerate(problem.plan):
        now = _carried(operation, values)
        result = _apply(now)
        if index == place:
            if kind == "skip" and len(problem.plan) > 1:
                values.append(random.choice([now.left.value, now.right.value]))
                continue
            now, result = _slip(problem, now, result, kind, random)
        values.append(result)
        gap = "" if now.sign == "% of" else " "
        equation = f"{now.left.value}{gap}{now.sign} {now.right.value} = {result}"
        steps.append(_EQUATION.sub(equation, problem.steps[index], count=1))
    final = values[-1]
    if kind == "copy":
        final = _digits_off(final, random)
    return [*steps, f"The answer is \\boxed{{{final}}}."]


def _carried(operation: Operation, values: list[int]) -> Operation:
    def now(operand: Operand) -> Operand:
        return operand if operand.source is None else replace(operand, value=values[operand.source])

    return Operation(now(operation.left), operation.sign, now(operation.right))


def _apply(operation: Operation) -> int:
    if operation.sign in ("/", "mod") and operation.right.value == 0:
        return 0
    return max(0, OPERATORS[operation.sign](operation.left.value, operation.right.value))


def _slip(
    problem: PocketProblem, operation: Operation, result: int, kind: str, random: Random
) -> tuple[Operation, int]:
    if kind == "sign" and operation.sign in _SIGNS:
        other = random.choice([sign for sign in _SIGNS if sign != operation.sign])
        operation = replace(operation, sign=other)
        return operation, _apply(operation)
    if kind in ("operand", "sign"):
        numbers = [int(number) for number in re.findall(r"\d+", problem.question)]
        side = random.choice(("left", "right"))
        old = getattr(operation, side)
        new = random.choice(numbers) if random.random() < 0.6 else _digits_off(old.value, random)
        operation = replace(operation, **{side: Operand(new)})
        return operation, _apply(operation)
    return operation, _digits_off(result, random)


def _digits_off(number: int, random: Random) -> int:
    """Change one digit, be off by a little, or swap two digits."""
    text = list(str(number))
    kind = random.random()
    if kind < 0.5:
        at = random.randrange(len(text))
        text[at] = random.choice("0123456789")
        return int("".join(text))
    if kind < 0.85 or len(text) < 2:
        return max(0, number + random.choice((-10, -2, -1, 1, 2, 10)))
    return int("".join(reversed(text)))
