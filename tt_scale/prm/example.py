"""One worked example: a question, right steps, and a wrong version of the last one."""

from __future__ import annotations

from dataclasses import dataclass

from tt_scale.base_classes import Problem, Step
from tt_scale.path import Path

__all__ = ["EXAMPLE", "Example", "path_of"]


@dataclass(frozen=True, slots=True)
class Example:
    """What a PRM is tried on.

    Attributes:
        question: of the problem.
        steps: right ones [steps].
        wrong: a wrong version of the last step; empty for none.
    """

    question: str
    steps: tuple[str, ...]
    wrong: str = ""

    @property
    def problem(self) -> Problem:
        """The question as a problem."""
        return Problem("example", self.question, "")

    @property
    def solutions(self) -> tuple[tuple[str, ...], ...]:
        """The right solution, and the one with the wrong last step where there is one [solutions][steps]."""
        return (self.steps, (*self.steps[:-1], self.wrong)) if self.wrong else (self.steps,)


def path_of(steps: tuple[str, ...], delimiters: tuple[str, ...], scores: tuple[float, ...] = ()) -> Path:
    """Make the path that a search would have after these steps.

    Args:
        steps: their texts [steps].
        delimiters: that end a step.
        scores: of the first of them.
    """
    ending = delimiters[0] if delimiters else ""
    return Path((0,) * len(steps), tuple([Step(f"{step}{ending}", (), "stop") for step in steps]), scores)


EXAMPLE = Example(
    "Ben has 9 apples. Tom has 4 apples more than Ben has. Tom loses 5 apples. "
    "How many apples do Ben and Tom have together?",
    ("Tom has 9 + 4 = 13 apples.", "Then Tom has 13 - 5 = 8 apples.", "Together they have 9 + 8 = 17 apples."),
    "Together they have 9 + 8 = 19 apples.",
)
"""Short enough for any context, and easy enough that every PRM should tell right from wrong."""
