"""A plan under construction: numbers come in, operations pile up, steps are worded."""

from __future__ import annotations

from random import Random

from tt_scale.pocket.plan import Operand, Operation, Sign, Written

__all__ = ["LIMITS", "Draft", "Size"]


class Size:
    """How large the numbers of a level are.

    Args:
        level: 1 to 5.

    Attributes:
        operations: that a solution takes.
        limit: of every number in question and solution, percents apart.
        start: most for the first number.
        change: most for a number that is added or taken away.
        factor: most for a number of groups, a divisor or a multiple.
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
"""Largest number of each level."""


class Draft:
    """Collects the sentences of a question and the plan and steps of its solution.

    Args:
        random: where every choice comes from.
        size: of the numbers.

    Attributes:
        sentences: of the question, in order.
        value: the number that the story stands at.
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
        """How many operations are still wanted."""
        return self.size.operations - len(self._plan)

    def compute(self, left: Operand, sign: Sign, right: Operand, lead: str, unit: str) -> Operand:
        """Add an operation and word its step: lead, equation, unit.

        Returns:
            Its result, to be worked on.
        """
        operation = Operation(left, sign, right)
        self._plan.append(operation)
        self._steps.append(" ".join(filter(None, (lead, operation.equation, unit))) + ".")
        return Operand(operation.value, len(self._plan) - 1)

    def number(self, least: int, most: int) -> int:
        """Draw a number of the question, both ends included."""
        return self.random.randint(least, max(least, most))

    def written(self, question: str, subject: str) -> Written:
        """Finish: the answer is the value of the last operation."""
        answer = f"The answer is \\boxed{{{self._plan[-1].value}}}."
        return Written(question, subject, tuple(self._plan), (*self._steps, answer))
