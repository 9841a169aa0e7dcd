"""Expressions, such as `Compute (14 + 3 * 5) - 7`."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from tt_scale.pocket.drafting import Draft, Size
from tt_scale.pocket.plan import OPERATORS, Operand, Sign, Written

__all__ = ["expression"]

_ASKED = ("Compute {}.", "What is {}?", "Find the value of {}.", "Work out {}.")
_SIGNS: tuple[Sign, ...] = ("+", "+", "-", "-", "*", "/")
_TIGHTNESS = {"+": 1, "-": 1, "*": 2, "/": 2}


@dataclass(frozen=True, slots=True)
class _Tree:
    """A number, or an operation on two trees."""

    value: int
    sign: Sign | None = None
    left: _Tree | None = None
    right: _Tree | None = None


def expression(random: Random, size: Size) -> Written:
    """Write a random expression; parentheses stand only where they change the value or part equal signs.

    Args:
        random: where every choice comes from.
        size: of the numbers; every intermediate value stays within its limit.
    """
    tree = None
    while tree is None:
        tree = _grow(random, size, size.operations)
    draft = Draft(random, size)
    _solve(draft, tree)
    return draft.written(random.choice(_ASKED).format(_text(tree)), "expression")


def _grow(random: Random, size: Size, operations: int) -> _Tree | None:
    """Grow a tree with so many operations; None where a value is out of bounds."""
    if operations == 0:
        return _Tree(random.randint(2, size.start))
    sign = random.choice(_SIGNS)
    share = random.randint(0, operations - 1)
    if sign in "*/":
        right: _Tree | None = _Tree(random.randint(2, size.factor))
        left = _grow(random, size, operations - 1)
    else:
        left, right = _grow(random, size, operations - 1 - share), _grow(random, size, share)
    if left is None or right is None or (sign == "/" and left.value % right.value):
        return None
    value = OPERATORS[sign](left.value, right.value)
    return _Tree(value, sign, left, right) if 0 < value <= size.limit else None


def _solve(draft: Draft, tree: _Tree) -> Operand:
    if tree.sign is None or tree.left is None or tree.right is None:
        return Operand(tree.value)
    return draft.compute(_solve(draft, tree.left), tree.sign, _solve(draft, tree.right), "", "")


def _text(tree: _Tree) -> str:
    if tree.sign is None or tree.left is None or tree.right is None:
        return str(tree.value)
    left, right = _text(tree.left), _text(tree.right)
    own = _TIGHTNESS[tree.sign]
    if tree.left.sign and _TIGHTNESS[tree.left.sign] < own:
        left = f"({left})"
    if tree.right.sign and _TIGHTNESS[tree.right.sign] <= own:
        right = f"({right})"
    return f"{left} {tree.sign} {right}"
