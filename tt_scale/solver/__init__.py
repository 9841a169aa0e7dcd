"""Answer questions from Python: `Solver` for many, `solve` for one, `evaluate` for problem sets.

Imports `bench`, `models`, `grading` and what lies below them; prints nothing.
"""

from __future__ import annotations

from tt_scale.core.solution import Solution
from tt_scale.solver.evaluation import Evaluation, aevaluate, evaluate
from tt_scale.solver.one_shot import asolve, solve
from tt_scale.solver.question import Watch
from tt_scale.solver.solver import Solver

__all__ = ["Evaluation", "Solution", "Solver", "Watch", "aevaluate", "asolve", "evaluate", "solve"]
