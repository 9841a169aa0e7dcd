r"""One spelling for answers that differ only in spelling.

`clean` rewrites LaTeX into plainer LaTeX that still parses; `key` goes further and is for comparing only.

    >>> clean(r"$\dfrac{9}{7}.$")
    '\\frac{9}{7}'
    >>> key(r"\text{Even}") == key("even")
    True

What needs algebra is not covered: `x+1` and `1+x` have different keys.
"""

from __future__ import annotations

import re

__all__ = ["clean", "key", "without_commas"]

_CHARACTERS = str.maketrans(
    {
        "−": "-",
        "–": "-",
        "π": r"\pi ",
        "√": r"\sqrt ",
        "×": r"\times ",
        "·": r"\cdot ",
        "∞": r"\infty ",
        "≤": r"\le ",
        "≥": r"\ge ",
        "≠": r"\ne ",
        "∪": r"\cup ",
        "∩": r"\cap ",
        "°": r"^\circ ",
        "∅": r"\emptyset ",
        "²": "^2",
        "³": "^3",
        "½": r"\frac{1}{2}",
        "¼": r"\frac{1}{4}",
        "¾": r"\frac{3}{4}",
        "\u00a0": " ",
        "\u2009": " ",
        "\u202f": " ",
    }
)

_REWRITES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"(?<=\d)\s*(?:\{,\}|,\\!)\s*(?=\d{3})", ""),
        (r"(?<=\d)(?:\\[,; ]|~)(?=\d{3}(?!\d))", ""),
        (r"\\(?:left|right)\s*\.", ""),
        (r"\\(?:left|right|[bB]igg?[lrm]?)(?![a-zA-Z])", ""),
        (r"(?<!\\)\\!", ""),
        (r"(?<!\\)\\(?:[,;:> ]|(?:q?quad|thinspace|displaystyle|textstyle)(?![a-zA-Z]))|~", " "),
        (r"\\[dtc]frac(?![a-zA-Z])", r"\\frac"),
        (r"\\frac\s*(\\[a-zA-Z]+)\s*(\d)", r"\\frac{\1}{\2}"),
        (r"\\frac\s*(\d)\s*(\d)", r"\\frac{\1}{\2}"),
        (r"\\frac\s*(\d)\s*\{", r"\\frac{\1}{"),
        (r"(\\frac\s*\{[^{}]*\})\s*(\d)", r"\1{\2}"),
        (r"\\sqrt\s*(\d)(?!\d)", r"\\sqrt{\1}"),
        (r"(?<![\d.])\.(?=\d)", "0."),
        (r"^\s*\\approx(?![a-zA-Z])", ""),
        (r"^\s*\\(?:text|textbf|textrm|mathrm|mathbf|mbox)\s*\{([^{}]*)\}[.\s]*$", r"\1"),
    )
)

_THOUSANDS = re.compile(r"[+-]?\s*\d{1,3}(?:,\d{3})+(?:\.\d+)?")

_DELIMITERS = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"), ("**", "**"))

_SPELLINGS = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\\(?:text|textbf|textit|textrm|textnormal|mathrm|mathbf|mathit|mbox|operatorname)\s*\{([^{}]*)\}", r"\1"),
        (r"\\(l|g)(?:eq|eqslant)(?![a-zA-Z])", r"\\\1e"),
        (r"\\neq(?![a-zA-Z])", r"\\ne"),
        (r"\\varnothing(?![a-zA-Z])|\\\{\s*\\\}", r"\\emptyset"),
        (r"(?<![a-zA-Z])([aApP])\.\s?([mM])\b\.?", r"\1\2"),
        (r"\\degree(?![a-zA-Z])", r"^\\circ"),
        (r"\\lbrace(?![a-zA-Z])", r"\\{"),
        (r"\\rbrace(?![a-zA-Z])", r"\\}"),
        (r"([_^])\s*\{\s*(\w|\\circ)\s*\}", r"\1\2"),
        (r"(?<!\d)\s+|\s+(?!\d)", ""),
    )
)


def clean(text: str) -> str:
    """Rewrite an answer into plainer LaTeX with the same meaning.

    Args:
        text: an answer as a model or a data set wrote it.
    """
    text = _undelimited(text.translate(_CHARACTERS))
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    return _undelimited(text)


def key(text: str) -> str:
    """Give a string that answers of the same spelling share; empty where the answer says nothing.

    Args:
        text: an answer as a model or a data set wrote it.
    """
    text = without_commas(clean(text))
    for pattern, replacement in _SPELLINGS:
        text = pattern.sub(replacement, text)
    if re.fullmatch(r"\([A-Z]\)", text):
        return text[1]
    if re.fullmatch(r"[^\W\d_]{3,}", text):
        return text.casefold()
    return text if re.search(r"\w", text) or "\\" in text else ""


def without_commas(text: str) -> str:
    """Drop the thousands commas of a text that is one number and nothing else; `(1,234)` stays a pair.

    Args:
        text: a cleaned answer.
    """
    return text.replace(",", "") if _THOUSANDS.fullmatch(text) else text


def _undelimited(text: str) -> str:
    """Strip space, closing punctuation and math delimiters, as often as they are nested."""
    while True:
        shorter = _unpunctuated(text.strip())
        for opening, closing in _DELIMITERS:
            inner = shorter[len(opening) : -len(closing)]
            if shorter.startswith(opening) and shorter.endswith(closing) and inner and opening not in inner:
                shorter = inner
                break
        if shorter == text:
            return text
        text = shorter


def _unpunctuated(text: str) -> str:
    r"""Drop closing punctuation, but not half of the command `\,`."""
    core = text.rstrip(".,;: \t\n")
    return text[: len(core) + 1] if core.endswith("\\") and len(core) < len(text) else core
