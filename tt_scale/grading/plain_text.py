r"""Conversion of plain-text mathematics to LaTeX commands: `7*sin(pi*x/5)`, `sqrt(13)`, `x >= 3`, `2**10`.

    >>> to_commands("7*sin(pi*x/5)+1"), to_commands("5 min"), to_commands("cosx")
    ('7*\\sin(\\pi *x/5)+1', '5 min', '\\cos x')

A name counts only as a whole word, and a function only if an argument follows, so that `basin` stays a word and
`5 sec` a time.
"""

from __future__ import annotations

import re
from types import MappingProxyType

__all__ = ["to_commands"]

_FUNCTION_NAMES = "sin cos tan sec csc cot sinh cosh tanh arcsin arccos arctan ln log"
_CALLED_NAMES = "max min gcd lcm det floor ceil abs binom"
_CONSTANT_NAMES = "alpha beta gamma delta epsilon theta lambda sigma omega phi psi rho tau pi"

_FUNCTIONS = MappingProxyType(
    {
        **{name: f"\\{name}" for name in _FUNCTION_NAMES.split()},
        "asin": r"\arcsin",
        "acos": r"\arccos",
        "atan": r"\arctan",
        "arccot": r"\arccot",
        "cosec": r"\csc",
        "lg": r"\log",
        "exp": r"\exp",
    }
)
_CALLED = MappingProxyType({name: f"\\{name}" for name in _CALLED_NAMES.split()})
"""Names that are functions only before a parenthesis: `5 min` is a time, and `x_max` a name."""

_CONSTANTS = MappingProxyType(
    {
        **{name: f"\\{name} " for name in _CONSTANT_NAMES.split()},
        **dict.fromkeys(("infinity", "inf", "oo", "Infinity"), r"\infty "),
        "sqrt": r"\sqrt ",
        "cbrt": r"\sqrt[3]",
    }
)

_ARGUMENT = r"\s*(?:[(^_{\d|]|\\|[a-zA-Z](?![a-zA-Z])|(?:pi|theta|alpha|beta|phi|sqrt)(?![a-zA-Z]))"
_RUNS = re.compile(
    rf"""\\(?P<wrapper>text|textbf|textit|textrm|mathrm|mathbf|mbox|operatorname)\s*\{{(?P<content>[^{{}}]*)\}}
       | \\(?:[a-zA-Z]+|.)
       | (?P<run>[a-zA-Z]+)(?P<called>(?=\s*\())?(?P<argument>(?={_ARGUMENT}))?""",
    re.VERBOSE | re.DOTALL,
)
_SIGNS = re.compile(r"<=|>=|!=|==|\+\s?/\s?-|\+-|\*\*")
_SIGN_NAMES = MappingProxyType({"<=": r"\le ", ">=": r"\ge ", "!=": r"\ne ", "==": "=", "**": "^"})


def to_commands(text: str) -> str:
    r"""Write plain-text functions, constants and relations as LaTeX commands.

    Args:
        text: an answer; the content of `\text{}` is not changed.
    """
    return _SIGNS.sub(lambda match: _SIGN_NAMES.get(match[0], r"\pm "), _RUNS.sub(_run, text))


def _run(match: re.Match[str]) -> str:
    run = match["run"]
    if run is None:
        function = _FUNCTIONS.get((match["content"] or "").strip())
        return function + " " if function and match["wrapper"] in ("operatorname", "mathrm", "text") else match[0]
    if run in _CONSTANTS:
        return _CONSTANTS[run]
    if run in _FUNCTIONS and match["argument"] is not None:
        return _spaced(_FUNCTIONS[run], match)
    if match["called"] is not None and (run in _CALLED or run[1:] in _FUNCTIONS):
        return _CALLED.get(run) or run[0] + _FUNCTIONS[run[1:]]
    if run[:-1] in _FUNCTIONS and run[-1] == "x":
        return _spaced(_FUNCTIONS[run[:-1]], match) + " x"
    return run


def _spaced(function: str, match: re.Match[str]) -> str:
    """A command ends where no letter follows it."""
    return function + " " if match.string[match.end() : match.end() + 1].isalpha() else function
