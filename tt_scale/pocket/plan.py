"""Records of a pocket problem: operands, operations, and the plan of its solution."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

__all__ = ["OPERATORS", "Operand", "Operation", "PocketProblem", "Sign", "Written"]

Sign = Literal["+", "-", "*", "/", "mod", "% of"]
"""Infix sign of an operation; `20 % of 150` is written `20% of 150`."""

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
"""Operators by sign; divisions in a plan have no remainder."""


@dataclass(frozen=True, slots=True)
class Operand:
    """Operand of an operation.

    Attributes:
        value: its value, at least 0.
        source: index in the plan of the operation that computes it; None if the question states it.
    """

    value: int
    source: int | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a plan.

    Attributes:
        left: first operand; the percentage if the sign is "% of".
        sign: its sign.
        right: second operand.
    """

    left: Operand
    sign: Sign
    right: Operand

    @property
    def value(self) -> int:
        """Exact result."""
        return OPERATORS[self.sign](self.left.value, self.right.value)

    @property
    def equation(self) -> str:
        """The equation as a solution states it: `14 + 15 = 29`."""
        gap = "" if self.sign == "% of" else " "
        return f"{self.left.value}{gap}{self.sign} {self.right.value} = {self.value}"


@dataclass(frozen=True, slots=True)
class Written:
    """A worded problem without id and level.

    Attributes:
        question: text of the question.
        subject: kind of text.
        plan: operations in the order of the solution; the last one computes the answer.
        steps: the solution, one text for each operation and one for the answer.
    """

    question: str
    subject: str
    plan: tuple[Operation, ...]
    steps: tuple[str, ...]

    @property
    def skeleton(self) -> str:
        """The equations of the plan; problems that differ only in wording share them."""
        return "; ".join([operation.equation for operation in self.plan])


@dataclass(frozen=True, slots=True)
class PocketProblem:
    r"""A generated problem with its solution.

    Attributes:
        id: unique in its set, the same on every machine.
        question: text of the question.
        answer: gold answer, an integer of at least 0.
        level: 1 to 5; a solution has `level + 1` operations, and the numbers grow with the level.
        subject: kind of text: expression, goods, money, time, distance, comparison.
        plan: operations in the order of the solution; the last one computes the answer.
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
        """The right solution as a model should write it, with steps separated by blank lines."""
        return "\n\n".join(self.steps)
