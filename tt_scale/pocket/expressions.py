"""Generated expressions that are evaluated from left to right, such as `Compute (14 + 3 * 5) / 2 - 7`."""

from __future__ import annotations

from random import Random

from tt_scale.pocket.drafting import Draft, Size
from tt_scale.pocket.plan import Operand, Sign, Written

__all__ = ["expression"]

_ASKED = ("Compute {}.", "What is {}?", "Find the value of {}.", "Work out {}.")


def expression(random: Random, size: Size) -> Written:
    """Generate an expression by appending terms: a number, a product of two, or a factor or divisor of the whole.

    Args:
        random: source of randomness.
        size: size of the numbers; every intermediate value is between 1 and its limit.
    """
    draft = Draft(random, size)
    draft.value = Operand(draft.number(2, size.start))
    text, is_sum = str(draft.value.value), False
    while draft.left:
        sign = random.choice(_signs(draft))
        value, limit = draft.value.value, size.limit
        if sign in ("*", "/"):
            most = limit // value if sign == "*" else size.factor
            fitting = [k for k in range(2, min(size.factor, most) + 1) if sign == "*" or value % k == 0]
            number = random.choice(fitting)
            draft.value = draft.compute(draft.value, sign, Operand(number), "", "")
            text, is_sum = f"({text}) {sign} {number}" if is_sum else f"{text} {sign} {number}", False
            continue
        room = limit - value if sign == "+" else value - 1
        if draft.left >= 2 and room >= 6 and random.random() < 0.3:
            k = draft.number(2, min(size.factor, room // 2))
            n = draft.number(2, min(size.change, room // k))
            part, written = draft.compute(Operand(k), "*", Operand(n), "", ""), f"{k} * {n}"
        else:
            n = draft.number(2, min(size.change, room))
            part, written = Operand(n), str(n)
        draft.value = draft.compute(draft.value, sign, part, "", "")
        text, is_sum = f"{text} {sign} {written}", True
    return draft.written(random.choice(_ASKED).format(text), "expression")


def _signs(draft: Draft) -> list[Sign]:
    """Signs that can follow; more frequent ones are repeated."""
    value, size = draft.value.value, draft.size
    signs: list[Sign] = []
    if value + 2 <= size.limit:
        signs += ["+", "+"]
    if value > 3:
        signs += ["-", "-"]
    if value * 2 <= size.limit:
        signs.append("*")
    if any(value % k == 0 for k in range(2, size.factor + 1)):
        signs.append("/")
    return signs
