"""Problem set of the simulated generator.

A question contains all parameters of a problem as text, so that the simulated generator gets nothing but the question,
as a model does. One problem, as a row::

    {"id": "sim-00002", "question": "Simulated problem 2: level 3, 5 steps.", "answer": "960", "level": 3}
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b

from tt_scale.core.records import Problem
from tt_scale.errors import ProblemSetError

__all__ = ["SimulatedQuestion", "parse_question", "simulated_answer", "simulated_problems", "simulated_question"]

_QUESTION = re.compile(r"Simulated problem ([0-9]{1,9}): level ([0-9]{1,9}), ([0-9]{1,9}) steps\.")


@dataclass(frozen=True, slots=True)
class SimulatedQuestion:
    """Parameters in a simulated question.

    Attributes:
        number: number of the problem, from 0.
        level: difficulty; 1 is easiest.
        steps: number of steps of a complete solution.
    """

    number: int
    level: int
    steps: int


def simulated_question(number: int, level: int, steps: int) -> str:
    """Format the question that `parse_question` parses."""
    return f"Simulated problem {number}: level {level}, {steps} steps."


def parse_question(text: str) -> SimulatedQuestion:
    """Parse a question of the simulated problem set.

    Raises:
        ProblemSetError: the text is not such a question.
    """
    match = _QUESTION.fullmatch(text.strip())
    if match is None:
        raise ProblemSetError(
            f"The simulated generator cannot answer {text.strip()[:80]!r}; it answers only questions of the form "
            f"{simulated_question(7, 3, 5)!r}.",
            "Type: --dataset simulated",
        )
    return SimulatedQuestion(*map(int, match.groups()))


def simulated_answer(number: int) -> int:
    """Gold answer of a problem: a hash of its number, in [100, 999]."""
    digest = blake2b(f"simulated problem {number}".encode(), digest_size=8).digest()
    return 100 + int.from_bytes(digest, "big") % 900


def simulated_problems(count: int = 1000) -> list[Problem]:
    """The first `count` problems: levels 1 to 5 in turn, with `level + 2` steps."""
    return [_problem(number, 1 + number % 5) for number in range(count)]


def _problem(number: int, level: int) -> Problem:
    return Problem(
        id=f"sim-{number:05d}",
        question=simulated_question(number, level, 2 + level),
        answer=str(simulated_answer(number)),
        level=level,
        source="simulated",
    )
