"""Construction of a problem: random numbers, operations of the plan, and the wording of its steps."""

from __future__ import annotations

from random import Random

from tt_scale.pocket.plan import Operand, Operation, Sign, Written

__all__ = ["LIMITS", "Draft", "Size"]


class Size:
    """Number of operations and size of the numbers at a level.

    Args:
        level: 1 to 5.

    Attributes:
        operations: number of operations of a solution.
        limit: largest number in question and solution, percentages excepted.
        start: largest first number.
        change: largest number that is added or subtracted.
        factor: largest number of groups, divisor or factor.
    """

    __slots__ = ("change", "factor", "level", "limit", "operations", "start")

    def __init__(self, level: int) -> None:
        self.level = level
        self.operations = level + 1
        self.limit = LIMITS[level - 1]
        self.start = self.limit // 2
        self.change = max(5, self.limit // 4)
        self.factor = 3 + level


LIMITS = (30, 60, 100, 150, 200)
"""Largest number at each level."""


class Draft:
    """Collects the sentences of a question, and the plan and steps of its solution.

    Args:
        random: source of randomness.
        size: size of the numbers.

    Attributes:
        sentences: sentences of the question, in order.
        value: current value of the quantity.
    """

    def __init__(self, random: Random, size: Size) -> None:
        self.random = random
        self.size = size
        self.sentences: list[str] = []
        self.value = Operand(0)
        self._plan: list[Operation] = []
        self._steps: list[str] = []

    @property
    def left(self) -> int:
        """Number of operations that are still missing."""
        return self.size.operations - len(self._plan)

    def compute(self, left: Operand, sign: Sign, right: Operand, lead: str, unit: str) -> Operand:
        """Add an operation and its step, worded as lead, equation, unit.

        Returns:
            Its result, as operand of later operations.
        """
        operation = Operation(left, sign, right)
        self._plan.append(operation)
        self._steps.append(" ".join(filter(None, (lead, operation.equation, unit))) + ".")
        return Operand(operation.value, len(self._plan) - 1)

    def number(self, least: int, most: int) -> int:
        """Draw a number of the question, uniformly from [least, most]."""
        return self.random.randint(least, max(least, most))

    def written(self, question: str, subject: str) -> Written:
        """Complete the problem; its answer is the value of the last operation."""
        answer = f"The answer is \\boxed{{{self._plan[-1].value}}}."
        return Written(question, subject, tuple(self._plan), (*self._steps, answer))
