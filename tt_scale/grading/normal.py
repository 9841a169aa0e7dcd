r"""Normalisation of answers that differ only in spelling.

`clean` rewrites LaTeX to simpler LaTeX that still parses; `key` goes further and is for comparison only.

    >>> clean(r"$\dfrac97.$"), clean("√13"), clean("2*pi")
    ('\\frac{9}{7}', '\\sqrt{13}', '2*\\pi')
    >>> key(r"\text{Even}") == key("even"), key("R") == key("r")
    (True, False)

Algebra is not covered: `x+1` and `1+x` have different keys.

Both take linear time: in no rule can two repetitions match the same characters, and runs of whitespace are shortened
first. The key of more than 2,000 characters is the text without whitespace.
"""

from __future__ import annotations

import re
from functools import lru_cache

from tt_scale.grading.arguments import brace_arguments, partners
from tt_scale.grading.characters import to_latex
from tt_scale.grading.plain_text import to_commands

__all__ = ["clean", "key", "without_commas"]

_TEXT = (
    r"text|textbf|textit|textrm|textnormal|textsf|texttt|emph|mathrm|mathbf|mathit|mathsf|mathtt|mathnormal|boldsymbol"
    r"|mbox"
)
_SIZES = "tiny scriptsize footnotesize small normalsize large Large LARGE huge Huge".replace(" ", "|")
_ENVIRONMENTS = r"(?:equation|align(?:ed|at)?|gather(?:ed)?|split|displaymath|math|center)\*?"

_REWRITES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"(?<=\d)\s*(?:\{,\}|,\\!)\s*(?=\d{3})", ""),
        (r"(?<=\d)(?:\\[,; ]|~)(?=\d{3}(?!\d))", ""),
        (r"\$\s*([^$\s](?:[^$]*[^$\s])?)\s*\$(?!\d)", r" \1 "),
        (r"(?<!\\)\\[()\[\]]", " "),
        (r"\\\\\s*(?:\*\s*)?\[\s*(?:-?[\d.]+\s*[a-z]{2}|-?[\d.]*\s*\\[a-z]+)\s*\]|\\\\\*|\\cr(?![a-zA-Z])", r"\\\\"),
        (r"\\(?:left|right)\s*\.", ""),
        (r"\\(?:left|right|[bB]igg?[lrm]?|middle)(?![a-zA-Z])", ""),
        (r"(?<!\\)\\!", ""),
        (
            r"(?<!\\)\\(?:[,;:>/ \n]|(?:q?quad|thinspace|enspace|displaystyle|textstyle|limits|hline|hfill)(?![a-zA-Z])"
            r"|[hv]space\*?\s*\{[^{}]*\})|~",
            " ",
        ),
        (r"\\(?:[dtc]|nice|s|x)frac(?![a-zA-Z])", r"\\frac"),
        (r"\\[dt]binom(?![a-zA-Z])", r"\\binom"),
        (r"\{(?=[^{}]*\})([^{}]*)\\over(?![a-zA-Z])([^{}]*)\}", r"\\frac{\1}{\2}"),
        (r"\{(?=[^{}]*\})([^{}]*)\\choose(?![a-zA-Z])([^{}]*)\}", r"\\binom{\1}{\2}"),
        (r"\\root\s*(?:\{\s*)?(\w)\s*(?:\}\s*)?\\of(?![a-zA-Z])", r"\\sqrt[\1]"),
        (r"\{\s*\\(rm|bf|it|sf)(?![a-zA-Z])\s*((?:[^{}\s][^{}]*)?)\}", r"\\math\1{\2}"),
        (r"\\(rm|bf|it)(?![a-zA-Z])\s*\{", r"\\math\1{"),
        (r"\\textsuperscript\s*\{([^{}]*)\}", r"^{\\text{\1}}"),
        (r"\\(?:mathrm|text)\s*\{\s*([ie])\s*\}", r"\1"),
        (r"(?<=[\d)}])\\(?:mathrm|text)\{([abcdjknopqrtuvwxyz])\}", r"\1"),
        (r"\\(?:c|l)?dots[bcimo]?(?![a-zA-Z])", r"\\ldots"),
        (r"(?<=\d)\s*\\(?:text|mathrm)\{\s*[eE]\s*\}\s*(?=[-+]?\d)", "e"),
        (r"\\(l|g)(?:eq|eqslant|eqq)(?![a-zA-Z])", r"\\\1e"),
        (r"\\lt(?![a-zA-Z])\s?", "<"),
        (r"\\gt(?![a-zA-Z])\s?", ">"),
        (r"\\neq(?![a-zA-Z])", r"\\ne"),
        (r"\\var(epsilon|phi|theta|rho|sigma|kappa)(?![a-zA-Z])", r"\\\1"),
        (r"\\ast(?![a-zA-Z])", r"\\cdot"),
        (r"\\(?:lg|operatorname\s*\{\s*lg\s*\})(?![a-zA-Z])", r"\\log"),
        (r"\\(arc)?tg(?![a-zA-Z])", r"\\\1tan"),
        (r"\\(arc)?ctg(?![a-zA-Z])", r"\\\1cot"),
        (r"\\(?:degree|textdegree)(?![a-zA-Z])", r"^\\circ "),
        (r"\\[lr]?vert(?![a-zA-Z])|\\mid(?![a-zA-Z])", "|"),
        (r"\\lbrace(?![a-zA-Z])", r"\\{"),
        (r"\\rbrace(?![a-zA-Z])", r"\\}"),
        (
            r"^\\\{\s*([a-zA-Z])\s*(?:\\in\s*\\mathbb\s*\{?\s*R\s*\}?\s*)?[|:]"
            r"(?=[^|:]*\1[^|:]*(?:[<>]|\\(?:le|ge|ne)(?![a-zA-Z])))((?:(?!\\\}).)*)\\\}$",
            r"\2",
        ),
        (r"(\\mathbb\s*\{?\s*R\s*\}?)\s*-\s*(?=\\\{)", r"\1\\setminus "),
        (r"(?<=[)\]])\s*U\s*(?=[(\[])", r"\\cup "),
        (r"\\lbrack(?![a-zA-Z])", "["),
        (r"\\rbrack(?![a-zA-Z])", "]"),
        (r"\\varnothing(?![a-zA-Z])", r"\\emptyset"),
        (r"^\s*(?i:(?:the\s+)?empty\s+set)\s*$", r"\\emptyset"),
        (r"^\s*(?i:(?:all|the)\s+real(?:s|\s+numbers))\s*$", r"\\mathbb{R}"),
        (r"(?<![a-zA-Z\\])([aApP])\.\s?([mM])\b\.?", r"\1\2"),
        (r"(?<![a-zA-Z\\])(sq|cu)\.(?=\s*[a-zA-Z])", r"\1 "),
        (r"(?<![\d.])\.(?=\d)", "0."),
        (r"^\s*(?:\\(?:approx|implies|Rightarrow|Longrightarrow|therefore|thus)(?![a-zA-Z])|=(?!=))", ""),
        (
            r"^\s*(?:\\text(?:bf)?\s*\{\s*)?(?i:the\s+)?(?i:final\s+|correct\s+)?(?i:answer)(?i:\s+is\s*:?|\s*:)\s*"
            r"(?:\}\s*|(?=[^{}]*$))",
            "",
        ),
        (r"^\s*(?:\\text\s*\{\s*)?(?i:negative|minus)\s*\}?\s*(?=\d|\\frac)", "-"),
        (r"\\(?:checkmark|square|blacksquare|Box|qed|qedsymbol|newline|nonumber)\s*$|\\tag\*?\s*\{[^{}]*\}\s*$", ""),
        (rf"\\(?:{_SIZES})(?![a-zA-Z])|\\color\s*\{{[^{{}}]*\}}", ""),
        (r"\\textcolor\s*\{[^{}]*\}(?=\s*\{)", r"\\mathrm"),
        (rf"^\s*\\(?:{_TEXT})\s*\{{([^{{}}]*)\}}[.\s]*$", r"\1"),
    )
)

_OPEN_ENDS = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"((?:^|\\cup|\\in|=)\s*)\](?=[^\[\](=,;]+[,;][^\[\](=,;]+[\[\]]\s*(?:$|\\cup))", r"\1("),
        (r"((?:^|\\cup|\\in|=)\s*[\[(][^\[\](=,;]+[,;][^\[\](=,;]+)\[(?=\s*(?:$|\\cup))", r"\1)"),
    )
)
"""Open intervals with brackets turned outwards: `]2,5[`."""

_THOUSANDS = re.compile(r"[+-]?\s*\d{1,3}(?:,\d{3})+(?:\.\d+)?")

_FRAME = re.compile(rf"(?:\\(?:boxed|fbox|bm|underline|ensuremath|{_TEXT}))?\s*(?=\{{)")
_ENVIRONMENT = re.compile(
    rf"\\begin\s*\{{(?P<name>{_ENVIRONMENTS})\}}(?P<body>(?:(?!\\(?:begin|end)(?![a-zA-Z])).)*)\\end\s*\{{(?P=name)\}}",
    re.DOTALL,
)
_SYSTEM = re.compile(
    r"\\begin\s*\{cases\}(?P<body>[^&=\\]*=(?:(?!\\(?:begin|end|text)(?![a-zA-Z]))[^&])*)\\end\s*\{cases\}"
)

_DELIMITERS = (
    ("$$", "$$"),
    ("$", "$"),
    (r"\(", r"\)"),
    (r"\[", r"\]"),
    ("**", "**"),
    ("*", "*"),
    ("__", "__"),
    ("```", "```"),
    ("`", "`"),
    ('"', '"'),
    ("“", "”"),
)

_SPELLINGS = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (rf"\\(?:{_TEXT}|operatorname)\s*\{{([^{{}}]*)\}}", r"\1"),
        (r"\\\{\s*\\\}", r"\\emptyset"),
        (r"(?<=[a-z]\s\d)(?:st|nd|rd|th)$|(?<=[a-z]\s\d\d)(?:st|nd|rd|th)$", ""),
        (r"([_^])\s*\{\s*(\w|\\circ)\s*\}", r"\1\2"),
        (r"(?<!\d)\s+|\s+(?!\d)", ""),
        (r"^\+(?=.)", ""),
    )
)

_UNENDING = re.compile(r"(?<!\d)(?P<whole>\d*)\.(?P<digits>\d{1,40})\s?(?:\.\s?\.\s?\.|\\[lc]?dots(?![a-zA-Z]))\s*$")
_LONGEST_CYCLES = 20
_GAP = re.compile(r"\s{4,}")
_PASSES = 6
_CACHED = 1000
"""Maximum length of answers whose results are cached, in characters."""
_LONGEST = 2000
"""Maximum length of an answer that is normalised for its key, in characters."""

_SHORT_WORD_LIST = "yes odd red one two six ten all sun mon blue east west north south even true none"
_SHORT_WORDS = frozenset(_SHORT_WORD_LIST.split())


def clean(text: str) -> str:
    """Rewrite an answer to simpler LaTeX with the same meaning.

    Args:
        text: an answer as a model or a data set states it.
    """
    return _clean_short(text) if len(text) <= _CACHED else _clean(text)


def key(text: str) -> str:
    """Canonical spelling of an answer, for comparison; empty if the answer has no content.

    Args:
        text: an answer as a model or a data set states it.
    """
    if len(text) > _LONGEST:
        return "".join(text.split()) if re.search(r"\w|\\", text) else ""
    return _key_short(text) if len(text) <= _CACHED else _key(text)


def without_commas(text: str) -> str:
    """Remove the thousands separators of a text that is a single number; `(1,234)` stays a pair.

    Args:
        text: a cleaned answer.
    """
    return text.replace(",", "") if _THOUSANDS.fullmatch(text) else text


def _clean(text: str) -> str:
    """Apply the rules until nothing changes, since the result of one rule may match another."""
    for _ in range(_PASSES):
        before, text = text, _rewritten(text)
        if text == before:
            break
    return text


def _rewritten(text: str) -> str:
    text = _undelimited(_UNENDING.sub(_repeated, _GAP.sub("   ", to_latex(text))))
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    for pattern, replacement in _OPEN_ENDS if "[" in text or "]" in text else ():
        text = pattern.sub(replacement, text)
    return _undelimited(brace_arguments(to_commands(_unboxed(text))).rstrip("\\ "))


def _repeated(found: re.Match[str]) -> str:
    r"""Write `0.3636...` as a repeating decimal; the dots stay where its digits do not show what repeats."""
    whole, digits = found["whole"] or "0", found["digits"]
    for ahead in range(min(len(digits), _LONGEST_CYCLES)):
        tail = digits[ahead:]
        for size in range(1, len(tail) // 2 + 1):
            if tail[size:] == tail[:-size]:
                return rf"{whole}.{digits[:ahead]}\overline{{{tail[:size]}}}"
    return rf"{whole}.{digits}\ldots"


def _key(text: str) -> str:
    text = without_commas(clean(text))
    for pattern, replacement in _SPELLINGS:
        text = pattern.sub(replacement, text)
    if re.fullmatch(r"\([A-Z]\)", text):
        return text[1]
    if re.fullmatch(r"[^\W\d_]{3,}", text) and _is_word(text):
        return text.casefold()
    return text if re.search(r"\w", text) or "\\" in text else ""


_clean_short = lru_cache(maxsize=4096)(_clean)
_key_short = lru_cache(maxsize=4096)(_key)


def _is_word(letters: str) -> bool:
    """Whether letters are a word, which is case-insensitive, and not points (`ABCD`) or variables (`abc`)."""
    if letters.casefold() in _SHORT_WORDS:
        return True
    if letters.isupper():
        return len(letters) > 3 and list(letters) != sorted(letters)
    return len(letters) > 3 or letters.istitle()


def _unboxed(text: str) -> str:
    r"""Drop a `\boxed{}`, `\mathbf{}` or the like and an `align` environment around the whole answer."""
    if found := _SYSTEM.fullmatch(text):
        return ", ".join(filter(None, map(str.strip, found["body"].split("\\\\"))))
    if found := _ENVIRONMENT.fullmatch(text):
        return re.sub(r"&\s*(?==)|(?<==)\s*&", "", found["body"])
    found = _FRAME.match(text)
    return text[found.end() + 1 : -1] if found and partners(text).get(found.end()) == len(text) - 1 else text


def _undelimited(text: str) -> str:
    """Strip whitespace, closing punctuation and math delimiters, at any nesting."""
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
    r"""Remove closing punctuation, but not half of the command `\,`."""
    core = text.rstrip(".,;: \t\n")
    return text[: len(core) + 1] if core.endswith("\\") and len(core) < len(text) else core
