"""Construction of a pocket problem."""

from __future__ import annotations

from random import Random

from tt_scale.pocket.drafting import LIMITS, Draft, Size
from tt_scale.pocket.plan import Operand


def test_a_draft_records_plan_and_steps() -> None:
    """An operand without its source would make the checker accept steps in an impossible order."""
    draft = Draft(Random(0), Size(1))
    first = draft.compute(Operand(3), "+", Operand(4), "Leo has", "books")
    second = draft.compute(first, "*", Operand(2), "", "")
    assert (first, second) == (Operand(7, 0), Operand(14, 1))
    assert draft.left == 0
    written = draft.written("How many?", "goods")
    assert written.steps == ("Leo has 3 + 4 = 7 books.", "7 * 2 = 14.", "The answer is \\boxed{14}.")
    assert written.skeleton == "3 + 4 = 7; 7 * 2 = 14"


def test_numbers_are_in_their_range() -> None:
    """An empty range is that of its lower end, instead of an error in the middle of a set."""
    draft = Draft(Random(0), Size(2))
    assert {draft.number(2, 4) for _ in range(60)} == {2, 3, 4}
    assert draft.number(5, 1) == 5


def test_levels_grow() -> None:
    """A level that is no harder than the one before."""
    sizes = [Size(level) for level in range(1, 6)]
    assert [size.limit for size in sizes] == list(LIMITS) == sorted(LIMITS)
    assert [size.operations for size in sizes] == [2, 3, 4, 5, 6]
