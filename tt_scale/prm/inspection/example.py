"""Worked example for PRMs: a question, correct steps, and a wrong version of the last one."""

from __future__ import annotations

from dataclasses import dataclass

from tt_scale.core.path import Path
from tt_scale.core.records import Problem, Step

__all__ = ["EXAMPLE", "Example", "path_of"]


@dataclass(frozen=True, slots=True)
class Example:
    """A solution on which a PRM is checked.

    Attributes:
        question: question of the problem.
        steps: correct steps [steps].
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
        """The correct solution, and the one with the wrong last step if there is one [solutions][steps]."""
        return (self.steps, (*self.steps[:-1], self.wrong)) if self.wrong else (self.steps,)


def path_of(
    steps: tuple[str, ...], delimiters: tuple[str, ...], scores: tuple[float, ...] = (), *, finished: bool = False
) -> Path:
    """Construct the path that a search would have after these steps.

    Args:
        steps: texts of the steps [steps].
        delimiters: strings that end a step.
        scores: scores of the first steps.
        finished: whether the last step ends the solution.
    """
    ending = delimiters[0] if delimiters else ""
    made = tuple([Step(f"{step}{ending}", (), "stop") for step in steps])
    return Path((0,) * len(steps), made, scores, state="finished" if finished else "open")


EXAMPLE = Example(
    "Leo has 28 books. Zoe has 2 books more than Leo has. Tom has 5 books fewer than Zoe has. "
    "How many books do Zoe and Tom have together?",
    ("Zoe has 28 + 2 = 30 books.", "Tom has 30 - 5 = 25 books.", "Together they have 30 + 25 = 55 books."),
    "Together they have 30 + 25 = 57 books.",
)
"""Short enough for any context, and easy enough for every PRM to distinguish the right step from the wrong one."""
