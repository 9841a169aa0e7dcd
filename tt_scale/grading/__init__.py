"""Extract and compare answers: normal forms, exact numbers, and Math-Verify in killable worker processes.

Everything except the workers is pure, and importing it loads neither sympy nor Math-Verify.

Imports `core`, `errors` and, inside the workers, Math-Verify.
"""

from tt_scale.core.extraction import extract_answer
from tt_scale.grading.grouping import group_spellings
from tt_scale.grading.workers import Grade, Grader

__all__ = ["Grade", "Grader", "extract_answer", "group_spellings"]
