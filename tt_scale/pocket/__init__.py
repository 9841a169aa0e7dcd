"""The pocket benchmark: generated problems in levels, a checker of solution steps, and the weights of two small models.

`pocket_math` generates problems, `follows` checks a step of a solution, `model_folder` returns the shipped weights.

Imports `core` and `errors` alone.
"""

from __future__ import annotations

from tt_scale.pocket.checking import follows, right_steps
from tt_scale.pocket.plan import Operation, PocketProblem
from tt_scale.pocket.problems import pocket_math, read_request
from tt_scale.pocket.weights import POCKET_MODELS, model_folder

__all__ = [
    "POCKET_MODELS",
    "Operation",
    "PocketProblem",
    "follows",
    "model_folder",
    "pocket_math",
    "read_request",
    "right_steps",
]
