"""Problem sets: bundled sets, local files, and the Hugging Face Hub.

Imports `pocket`, `grading`, `engines` (for the Hub) and what lies below them.
"""

from __future__ import annotations

from tt_scale.problems.catalogue import ProblemSet, list_problem_sets
from tt_scale.problems.load import load_problems
from tt_scale.problems.simulated import (
    SimulatedQuestion,
    parse_question,
    simulated_answer,
    simulated_problems,
    simulated_question,
)

__all__ = [
    "ProblemSet",
    "SimulatedQuestion",
    "list_problem_sets",
    "load_problems",
    "parse_question",
    "simulated_answer",
    "simulated_problems",
    "simulated_question",
]
