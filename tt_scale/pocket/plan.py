"""What a pocket problem is made of: numbers, and operations on them in an order that works."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

__all__ = ["OPERATORS", "Operand", "Operation", "PocketProblem", "Sign", "Written"]

Sign = Literal["+", "-", "*", "/", "mod", "% of"]
"""How an operation is written between its numbers; `20 % of 150` is written `20% of 150`."""

OPERATORS: Mapping[str, Callable[[int, int], int]] = MappingProxyType(
    {
        "+": lambda left, right: left + right,
        "-": lambda left, right: left - right,
        "*": lambda left, right: left * right,
        "/": lambda left, right: left // right,
        "mod": lambda left, right: left % right,
        "% of": lambda left, right: left * right // 100,
    }
)
"""Signs to what they do; a plan divides only where nothing is left over."""


@dataclass(frozen=True, slots=True)
class Operand:
    """A number that an operation works on.

    Attributes:
        value: at least 0.
        source: which operation gave it, by place in the plan; None: the question states it.
    """

    value: int
    source: int | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """One step of a plan.

    Attributes:
        left: first number; of a percentage, the percents.
        sign: what is done.
        right: second number.
    """

    left: Operand
    sign: Sign
    right: Operand

    @property
    def value(self) -> int:
        """Its exact result."""
        return OPERATORS[self.sign](self.left.value, self.right.value)

    @property
    def equation(self) -> str:
        """As a solution writes it: `14 + 15 = 29`."""
        gap = "" if self.sign == "% of" else " "
        return f"{self.left.value}{gap}{self.sign} {self.right.value} = {self.value}"


@dataclass(frozen=True, slots=True)
class Written:
    """A problem in words, before it belongs to a set.

    Attributes:
        question: what is asked.
        subject: the kind of text.
        plan: operations in the order of the solution; the last one gives the answer.
        steps: the solution, one text for each operation and one for the answer.
    """

    question: str
    subject: str
    plan: tuple[Operation, ...]
    steps: tuple[str, ...]

    @property
    def skeleton(self) -> str:
        """The bare arithmetic; two problems that differ only in words share it."""
        return "; ".join([operation.equation for operation in self.plan])


@dataclass(frozen=True, slots=True)
class PocketProblem:
    r"""One generated problem with everything that is known of it.

    Attributes:
        id: unique in its set, the same on every machine.
        question: what is asked.
        answer: the gold answer, a whole number of at least 0.
        level: 1 to 5; a solution takes `level + 1` operations, and the numbers grow with it.
        subject: the kind of text: expression, goods, money, time, distance, comparison.
        plan: operations in the order of the solution; the last one gives the answer.
        steps: a right solution: one text for each operation, then the one with `\boxed{}`.
    """

    id: str
    question: str
    answer: str
    level: int
    subject: str
    plan: tuple[Operation, ...]
    steps: tuple[str, ...]

    @property
    def solution(self) -> str:
        """The right solution as a model should write it: steps divided by blank lines."""
        return "\n\n".join(self.steps)
