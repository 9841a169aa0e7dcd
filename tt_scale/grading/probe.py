"""Unequal expressions told apart by their value at one point, which costs a hundredth of a simplification.

Two expressions that differ at a point are different functions (Schwartz 1980, Zippel 1979), so this can only say
"different", and says it only by a margin that no rounding reaches. Most wrong answers are found out here.
"""

from __future__ import annotations

from typing import Any
from zlib import crc32

__all__ = ["differ_in_value"]

_MARGIN = 1e-4
"""Relative; Math-Verify lets decimals agree to six places."""


def differ_in_value(one: Any, other: Any) -> bool:
    """Whether two readings are scalar expressions with different values at a fixed generic point.

    Args:
        one: what Math-Verify parsed.
        other: the same of the other answer.
    """
    first = _value(one)
    second = None if first is None else _value(other)
    if first is None or second is None:
        return False
    return abs(first - second) > _MARGIN * max(1.0, abs(first), abs(second))


def _value(reading: Any) -> complex | None:
    """Evaluate a scalar expression; None for all else, and where a generic point means nothing (sums up to n)."""
    from sympy import Expr, Integral, Limit, MatrixExpr, Product, Sum, Symbol, UnevaluatedExpr

    if not isinstance(reading, Expr) or isinstance(reading, (MatrixExpr, Symbol)):
        return None
    if reading.has(Sum, Product, Integral, Limit, UnevaluatedExpr):  # a percentage is an unevaluated factor
        return None
    point = {symbol: _coordinate(str(symbol)) for symbol in reading.free_symbols}
    try:
        return complex(reading.evalf(15, subs=point))
    except (TypeError, ValueError, ArithmeticError, AttributeError):  # no number: an undefined function, a pole
        return None


def _coordinate(name: str) -> float:
    """A number in (1, 2) that depends on the symbol's name only, so that both expressions are taken at one point."""
    return 1.0 + (crc32(name.encode()) % 9973 + 1) / 9974
