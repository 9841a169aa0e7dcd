"""Parsing of formulas to SymPy expressions, and comparison of their values.

Rational numbers are compared exactly. All else is evaluated to thirty digits, with variables at fixed generic points:
expressions that differ at a point are different functions, and analytic ones that agree at several points are equal
with high probability (Schwartz 1980, Zippel 1979). The comparison is relative, so that 1/20! and 1/21! differ, and
cannot overflow. Expressions without a value at a point (relations, sets, sums up to n) are compared by Math-Verify.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from zlib import crc32

from tt_scale.errors import GradingError
from tt_scale.grading.source import for_parser

__all__ = ["read_formula", "same_formula", "same_value"]

_DIGITS = 30
_AGREEMENT = 20
"""Number of digits to which equal values agree; the other ten allow for rounding."""

_EXACT_ZERO = 10
"""Bits of precision up to which a value of SymPy has no correct digit and counts as zero."""

_UNREAD = re.compile(r"\\[clp]?dots|\d\s*'|\\[bp]?mod(?![a-zA-Z])|(?<![\w}])\d+\s*_")
"""What latex2sympy drops: `5'` would be 5, `0.3\\ldots` three tenths, `5 \\bmod 3` five, and `776_7` 776."""

_COMPLEX = re.compile(r"(?<![a-zA-Z\\])i(?![a-zA-Z])|\\(?:imath|arg|Re|Im|mathbb\{C\})")
_CHAIN = re.compile(r"(?<![\\<>!])=")


@lru_cache(maxsize=2048)
def read_formula(text: str) -> Any:
    r"""Parse LaTeX to a SymPy expression, case-sensitive and with `i` as the imaginary unit.

    Args:
        text: a cleaned answer without its unit.

    Raises:
        GradingError: it cannot be parsed.
    """
    from latex2sympy2_extended.latex2sympy2 import NormalizationConfig, normalize_latex

    if _UNREAD.search(text):
        raise GradingError(f"{text!r} holds dots, minutes or a modulus, which nobody here can read.")
    plain = NormalizationConfig(basic_latex=True, boxed="none")
    source = normalize_latex(for_parser(text), plain)
    try:
        return _with_imaginary_unit(_parsed(source))
    except RecursionError:
        raise
    except Exception as error:
        last = _CHAIN.split(source)[-1] if len(_CHAIN.split(source)) > 2 and not re.search("[,;]", source) else source
        if last != source:
            return read_formula(last)
        raise GradingError(f"latex2sympy cannot parse {text!r}.") from error


def same_value(gold: Any, answer: Any, slack: Any = 0) -> bool | None:
    """Whether two scalar expressions have the same value; None if they have no values to compare.

    Args:
        gold: gold answer, as `read_formula` returns it.
        answer: answer to compare.
        slack: rounding error of a rounded gold answer.
    """
    if not (_is_scalar(gold) and _is_scalar(answer)):
        return None
    gold, answer = _exact(gold), _renamed_constant(_exact(answer), gold)
    names = {str(symbol) for symbol in gold.free_symbols | answer.free_symbols}
    if not names:
        return _same_number(gold, answer, slack)
    verdicts = [_agree(gold, answer, point, real=not _is_complex(gold, answer)) for point in _points(names)]
    if False in verdicts:
        return False
    return True if verdicts.count(True) > 1 else None


def same_formula(gold: Any, answer: Any) -> bool:
    """Whether Math-Verify considers two expressions equal: relations, sets, unions, sums.

    Args:
        gold: gold answer, as `read_formula` returns it.
        answer: answer to compare.
    """
    from math_verify import verify

    # No time limits inside: they are signals, fail off the main thread, and are swallowed as "not equal".
    try:
        same = verify([gold], [answer], allow_set_relation_comp=True, timeout_seconds=None, raise_on_error=True)
    except KeyError:  # raised for `x != 3`, which is its own inverse
        same = False
    return bool(same) or _same_solutions(gold, answer)


def _same_solutions(gold: Any, answer: Any) -> bool:
    """Whether two inequalities in one variable have the same solutions: `|x|<1` and `1>x>-1`."""
    from sympy import And, Eq, Rational
    from sympy.logic.boolalg import Boolean

    sides = [And(*side._unsorted_args) if hasattr(side, "_unsorted_args") else side for side in (gold, answer)]
    if not all(isinstance(side, Boolean) and len(side.free_symbols) == 1 and not side.has(Eq) for side in sides):
        return False
    (one,), (other,) = (side.free_symbols for side in sides)
    if one != other:
        return False
    places = [Rational(sign * (2 * step + 1), 2) for sign in (1, -1) for step in (0, 1, 2, 3, 5, 10, 50, 1000)]
    if any(sides[0].subs(one, place) != sides[1].subs(one, place) for place in places):
        return False
    return bool(sides[0].as_set() == sides[1].as_set())


def _parsed(source: str) -> Any:
    from latex2sympy2_extended.latex2sympy2 import ConversionConfig, latex2sympy

    kept = ConversionConfig(lowercase_symbols=False)
    real = not _COMPLEX.search(source)
    return latex2sympy(source, is_real=real, normalization_config=None, conversion_config=kept)


def _with_imaginary_unit(reading: Any) -> Any:
    from sympy import Basic, I

    if not isinstance(reading, Basic):
        return reading
    return reading.subs([(symbol, I) for symbol in reading.free_symbols if str(symbol) in ("i", "math{i}")])


def _is_scalar(reading: Any) -> bool:
    from sympy import Expr, MatrixExpr

    return isinstance(reading, Expr) and not isinstance(reading, MatrixExpr)


def _exact(expression: Any) -> Any:
    """Convert decimals to exact fractions."""
    from sympy import Float, Rational

    floats = expression.atoms(Float)
    return expression.xreplace({number: Rational(str(number)) for number in floats}) if floats else expression


def _renamed_constant(answer: Any, gold: Any) -> Any:
    """Rename the constant of integration to that of the gold answer: `+ c` equals `+ C`."""
    small, large = ({str(symbol): symbol for symbol in side.free_symbols} for side in (answer, gold))
    for own, other in (("c", "C"), ("C", "c")):
        if own in small and other in large and own not in large and other not in small:
            constant = small[own]
            if answer.is_Add and constant in answer.args and gold.is_Add and large[other] in gold.args:
                return answer.subs(constant, large[other])
    return answer


def _same_number(gold: Any, answer: Any, slack: Any) -> bool | None:
    from sympy import nan, zoo

    one, other = gold.doit(), answer.doit()
    if one in (nan, zoo):
        raise GradingError("The gold answer has no value.")
    if other in (nan, zoo):
        return False
    if one.is_Rational and other.is_Rational and not slack:
        return bool(one == other)
    if one.is_infinite or other.is_infinite:
        return bool(one == other)
    return _close(_value(one, {}), _value(other, {}), slack)


def _agree(gold: Any, answer: Any, point: Mapping[str, Any], *, real: bool) -> bool | None:
    """Whether two expressions agree at a point; None where a real formula has no real value on either side."""
    one, other = _value(gold, point), _value(answer, point)
    if real and one is not None and other is not None and not (one.is_real or other.is_real):
        return None
    return _close(one, other)


def _is_complex(gold: Any, answer: Any) -> bool:
    from sympy import I

    return bool(gold.has(I) or answer.has(I))


def _close(one: Any, other: Any, slack: Any = 0) -> bool | None:
    """Whether two values agree to twenty digits; None if one is missing."""
    from sympy import Abs, Float

    if one is None or other is None:
        return None
    size = max(Abs(one).evalf(15), Abs(other).evalf(15))
    return bool(Abs(one - other).evalf(15) <= max(size * Float(f"1e-{_AGREEMENT}"), slack))


def _value(expression: Any, point: Mapping[str, Any]) -> Any:
    """Evaluate to thirty digits, exactly zero if no digit is correct; None if the value is not a number."""
    from sympy import Integral, Limit, Product, Sum, UnevaluatedExpr, nan, zoo

    if point and expression.has(Sum, Product, Integral, Limit, UnevaluatedExpr):
        return None
    try:
        places = {symbol: point[str(symbol)] for symbol in expression.free_symbols}
        value = expression.evalf(_DIGITS, subs=places)
        parts = [_digits(part) for part in value.as_real_imag()]
    except (TypeError, ValueError, ArithmeticError, AttributeError, KeyError, NotImplementedError):
        return None
    if None in parts or value in (nan, zoo):
        return None
    from sympy import I

    return parts[0] + I * parts[1] if parts[1] != 0 else parts[0]


def _digits(part: Any) -> Any:
    """The evaluated real number, zero if no digit is correct; None if it is not a number."""
    from sympy import S

    if part.is_Float:
        return part if part._prec > _EXACT_ZERO else S.Zero
    return part if part.is_Rational else None


def _points(names: set[str]) -> list[dict[str, Any]]:
    """Points with coordinates that depend on the names only: positive, of both signs, small; and positive again."""
    from sympy import Rational

    spread = {name: Rational(crc32(name.encode()) % 9973 + 1, 9974) for name in names}
    return [
        {name: 1 + share for name, share in spread.items()},
        {name: (2 + share) * (-1) ** (crc32(name[::-1].encode() + b"-") % 2) for name, share in spread.items()},
        {name: -share / 3 for name, share in spread.items()},
        {name: 3 - share for name, share in spread.items()},
    ]
