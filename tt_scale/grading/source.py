r"""Preprocessing of LaTeX for latex2sympy, so that it is parsed as people read it.

    >>> for_parser(r"\csc x \cdot \cos x"), for_parser(r"2\sin 3x\cos y")
    ('\\csc( x) \\cdot \\cos( x)', '2\\sin( 3x)\\cos( y)')

latex2sympy2_extended 1.11 parses `\csc x \cdot \cos x` as csc(x cos x), `2(3)` and `2\binom{5}{2}` as mixed numbers
(12, not 20), `\pi(x+1)` as a function named pi, `f'` as f, `dc` as a differential and `I` as the imaginary unit, and
does not parse `m_{\max}`. Here an argument without parentheses ends at a sign of addition or multiplication, a
relation, or the next function.
"""

from __future__ import annotations

import re

from tt_scale.grading.arguments import partners

__all__ = ["for_parser"]

_TRIGONOMETRIC = r"(?:arc)?(?:sin|cos|tan|csc|sec|cot)h?"
_FUNCTION = re.compile(rf"\\(?P<name>{_TRIGONOMETRIC}|ln|log|exp)(?![a-zA-Z])")
_SCRIPT = re.compile(r"\s*[\^_]\s*(?:\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}|[\w])")
_SIGN = re.compile(r"\s*[+-]")
_FACTOR = re.compile(
    r"""\s*(?: \d+(?:\.\d+)? | [a-zA-Z]'* | !
      | \\(?:frac|binom|text|mathrm|mathbf|overline|operatorname)\s*(?=\{) | \\sqrt\s*(?:\[[^\[\]]*\])?\s*(?=\{)
      | \\(?:alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|pi|rho|sigma|tau|upsilon|phi|chi
          |psi|omega|Gamma|Delta|Theta|Lambda|Xi|Sigma|Phi|Psi|Omega|infty|circ|prime)(?![a-zA-Z])
      | [\^_] )""",
    re.VERBOSE,
)
_BRACKET = re.compile(r"\s*(?P<open>[{(\[])")
_MOST_FUNCTIONS = 40

_REWRITES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (
            r"(?<=_)\{([^{}]*(?:\\(?:text|mathrm|operatorname|max|min|sup|inf|circ|prime)[^{}]*(?:\{[^{}]*\})?[^{}]*)+)\}",
            "",
        ),
        (r"([a-zA-Z])('+)", ""),
        (r"\\log\s*_\s*(?:\{e\}|e(?![a-zA-Z]))", r"\\ln"),
        (r"(?<![\w.}/])(\d+)\s*/\s*(\d+)(?=\s+[a-zA-Z\\(])", r"\\frac{\1}{\2}"),
        (r"(?<![a-zA-Z\\])I(?![a-zA-Z])", r"\\text{I}"),
        (r"(?<![a-zA-Z\\])d(?=\s*(?:[a-zA-Z]|\\[a-z]))", r"{d}"),
        (r"((?:\([^()]*\)|\d+|[a-zA-Z])!)\s*(?=\^)", r"(\1)"),
        (r"(?<![\w.])(\d+(?:\.\d+)?)\s*(?=\()", r"\1 \\cdot "),
        (r"(\\(?:pi|theta|alpha|beta|lambda|mu|omega|phi))\s*(?=\()", r"\1 \\cdot "),
        (r"(?<=\))\s*(?=\d)", r" \\cdot "),
        (r"(?<![\w.])(\d+(?:\.\d+)?)[eE]([+-]?\d{1,3})(?![\w.])", r"\1 \\cdot 10^{\2}"),
    )
)
_BESIDE_BINOMIAL = re.compile(
    r"(?<=[\d})!])\s*(?=\\binom(?![a-zA-Z]))|(?<![a-zA-Z\\].)(?<=[a-zA-Z])\s*(?=\\binom(?![a-zA-Z]))"
)
_BEHIND_BINOMIAL = re.compile(r"(\\binom\{[^{}]*\}\{[^{}]*\})\s*(?=\\frac(?![a-zA-Z])|\d)")
_SUM = re.compile(r"\\(?:sum|prod|lim)(?![a-zA-Z])")
"""Operators after whose bounds no sign of multiplication may stand."""
_MIXED = re.compile(r"(?<![\w.}^_])(\d+)\s*\\frac\{(\d+)\}\{(\d+)\}")
_CALLS = re.compile(r"\\(abs|floor|ceil)\s*(?=\()")
_WRITTEN = {"abs": ("|", "|"), "floor": (r"\lfloor ", r"\rfloor "), "ceil": (r"\lceil ", r"\rceil ")}


def for_parser(text: str) -> str:
    """Rewrite a formula so that latex2sympy parses it correctly.

    Args:
        text: a cleaned answer without its unit.
    """
    text = _functions(_calls(text))
    if not _SUM.search(text):
        text = _BESIDE_BINOMIAL.sub(r" \\cdot ", text)
    text = _BEHIND_BINOMIAL.sub(r"\1 \\cdot ", text)
    for pattern, replacement in _REWRITES:
        if replacement:
            if pattern.pattern.startswith("(?<![a-zA-Z\\\\])d") and "\\int" in text:
                continue
            text = pattern.sub(replacement, text)
        elif pattern.groups == 1:
            text = pattern.sub(_subscript, text)
        else:
            text = pattern.sub(lambda match: f"{match[1]}_{{{'prime' * len(match[2])}}}", text)
    return _MIXED.sub(_mixed, text)


def _subscript(match: re.Match[str]) -> str:
    r"""Replace `_{\max}` and `_{\text{total}}` by plain letters, as latex2sympy requires in a subscript."""
    return "{" + re.sub(r"[^a-zA-Z0-9]", "", re.sub(r"\\(?:text|mathrm|operatorname)", "", match[1])) + "}"


def _mixed(match: re.Match[str]) -> str:
    """Keep a number before a proper fraction as a mixed number; otherwise write a product."""
    return match[0] if int(match[2]) < int(match[3]) else rf"{match[1]}\cdot\frac{{{match[2]}}}{{{match[3]}}}"


def _calls(text: str) -> str:
    while match := _CALLS.search(text):
        closing = partners(text).get(match.end())
        before, after = _WRITTEN[match[1]]
        if closing is None:
            return text
        text = text[: match.start()] + before + text[match.end() + 1 : closing] + after + text[closing + 1 :]
    return text


def _functions(text: str) -> str:
    """Parenthesise the argument of each function, the last function first: it may be in another's argument."""
    functions = list(_FUNCTION.finditer(text))
    if len(functions) > _MOST_FUNCTIONS:
        return text
    for match in reversed(functions):
        head = match.end()
        while script := _SCRIPT.match(text, head):
            head = script.end()
        end = _argument_end(text, head, angle=bool(re.fullmatch(_TRIGONOMETRIC, match["name"])))
        argument = _degrees(text[head:end])
        if argument.strip():
            inner = argument if _is_bracketed(argument) else f"({argument})"
            text = text[:head] + inner + text[end:]
    return text


def _argument_end(text: str, start: int, *, angle: bool) -> int:
    r"""Offset of the end of a function's argument; `\sin\pi/6` is sin(π/6), but `\ln 2/3` is ln(2)/3."""
    pairs = partners(text)
    at = start
    if sign := _SIGN.match(text, at):
        at = sign.end()
    if (bracket := _BRACKET.match(text, at)) and bracket["open"] in "([":
        return pairs.get(bracket.end() - 1, at - 1) + 1
    if bars := re.match(r"\s*\|[^|]*\|", text[at:]):
        return at + bars.end()
    if function := _FUNCTION.match(text, at + len(text[at:]) - len(text[at:].lstrip())):
        return _argument_end(text, function.end(), angle=angle)
    while at < len(text):
        bracket = _BRACKET.match(text, at)
        if bracket and (bracket["open"] == "{" or text[at - 1 : at].strip() in ("^", "_")):
            at = pairs.get(bracket.end() - 1, len(text) - 1) + 1
        elif factor := _FACTOR.match(text, at):
            at = factor.end()
        elif angle and text.startswith("/", at) and _FACTOR.match(text, at + 1) and "\\pi" in text[start:at]:
            at += 1
        else:
            break
    return at


def _is_bracketed(argument: str) -> bool:
    inner = argument.strip()
    return inner.startswith("(") and partners(inner).get(0) == len(inner) - 1


def _degrees(argument: str) -> str:
    r"""Convert degrees to radians, as in `\sin 30^\circ`."""
    return re.sub(r"\s*\^\s*\{?\s*\\circ\s*\}?", r" \\cdot\\frac{\\pi}{180}", argument)
