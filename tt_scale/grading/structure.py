r"""Parsing of an answer's structure: a list, set, tuple, interval, matrix, union, or a single atom.

    >>> structure("1, 2, and 3").parts
    ('1', '2', '3')
    >>> half_open = structure(r"\left[0, \frac{1}{2}\right)")
    >>> half_open.kind, half_open.parts, half_open.brackets
    ('interval', ('0', '\\frac{1}{2}'), '[)')
    >>> structure(r"-1, \frac{1\pm\sqrt{5}}{2}").parts
    ('-1', '\\frac{1+\\sqrt{5}}{2}', '\\frac{1-\\sqrt{5}}{2}')

Only separators outside of all brackets count. Several `\pm` in one part are independent, unless there is a `\mp`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise, product
from typing import Literal

from tt_scale.grading.arguments import partners
from tt_scale.grading.normal import clean, without_commas
from tt_scale.grading.vectors import FACTOR, summed

__all__ = ["Structure", "split_outside", "structure"]

Kind = Literal["atom", "list", "set", "tuple", "interval", "matrix", "union", "relation"]

_LONGEST = 1000
_MOST_SIGNS = 3
_MOST_PARENTHESES = 20
"""Maximum number of nested redundant parentheses."""

_TOKENS = re.compile(
    r"""(?P<open>[(\[{]|\\\{|\\(?:langle|begin|lfloor|lceil)(?![a-zA-Z]))
      | (?P<close>[)\]}]|\\\}|\\(?:rangle|end|rfloor|rceil)(?![a-zA-Z]))
      | (?P<comma>[,;]|\\\\
          |\\(?:text|textbf|textrm|mathrm|mbox)\s*\{\s*(?:[,;]\s*)?(?:and|or)\s*\}|(?<![a-zA-Z\\])(?:and|or)(?![a-zA-Z])
          |\\(?:lor|vee)(?![a-zA-Z]))
      | (?P<cup>\\cup(?![a-zA-Z]))
      | (?P<relation>[<>]|\\(?:le|ge|ne|equiv|notin|subset|subseteq|setminus)(?![a-zA-Z]))
      | (?P<equal>(?<![<>!=])=|\\in(?![a-zA-Z]))
      | \\.""",
    re.VERBOSE | re.DOTALL,
)
_MATRIX = re.compile(
    r"""(?P<opening>[(\[]?)\s*\\begin\{(?P<name>[pbB]?(?:small)?matrix|array)\*?\}\s*(?:(?<=\{array\})\{[lcr|\s@]*\})?
        (?P<body>(?:(?!\\(?:begin|end)\b).)*)\\end\{(?P=name)\*?\}\s*(?P<closing>[)\]]?)""",
    re.VERBOSE | re.DOTALL,
)
_FACTOR = re.compile(
    r"""(?P<scalar>-?\s*(?:\d+(?:[./]\d+)?|[a-zA-Z]|\(\s*\d+/\d+\s*\)|\\pi|\\frac\s*\{[^{}]*\}\s*\{[^{}]*\}|\\sqrt\s*\{[^{}]*\})?)
        \s*(?:\\(?:cdot|times)(?![a-zA-Z])|\*)?\s*""",
    re.VERBOSE,
)
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_TIES = re.compile(r"\\(?:pm|mp)(?![a-zA-Z])\s?")
_PAIRS = {"(": ")", "[": "]", r"\{": r"\}", r"\langle": r"\rangle"}


@dataclass(frozen=True, slots=True)
class Structure:
    """Structure of an answer.

    Attributes:
        kind: its kind; a bare enumeration is a "list", a pair in parentheses a "tuple", though it may be an interval.
        parts: the elements in order, of a matrix row by row; the text itself for "atom" and "relation".
        brackets: brackets of a tuple, set or interval, or the size of a matrix; otherwise empty.
        text: the whole answer, cleaned.
    """

    kind: Kind
    parts: tuple[str, ...]
    brackets: str = ""
    text: str = ""


@lru_cache(maxsize=4096)
def structure(text: str) -> Structure:
    r"""Parse the structure of an answer, with every `\pm` expanded.

    Args:
        text: an answer as a model or a data set states it.
    """
    text = clean(text)
    return replace(_parse(text), text=text)


def _parse(text: str, depth: int = 0) -> Structure:
    if len(text) > _LONGEST or depth > _MOST_PARENTHESES or without_commas(text) != text:
        return Structure("atom", (text,))
    pieces = split_outside(text, "comma")
    if len(pieces) > 1:
        return Structure("list", _signed(pieces))
    if any(split_outside(text, mark)[1:] for mark in ("relation", "cup")):
        kind: Kind = "relation" if split_outside(text, "relation")[1:] else "union"
        return Structure(kind, tuple(split_outside(text, "cup")) if kind == "union" else (text,))
    if "\\begin" in text and (found := _MATRIX.search(text)) and found.end() == len(text):
        factor = _FACTOR.fullmatch(text, 0, found.start())
        if factor:
            return _matrix(found["body"], factor["scalar"])
    return _enclosed(text, depth) or _assigned(text, depth) or _combined(text, depth) or _atom(text)


def split_outside(text: str, mark: str) -> list[str]:
    r"""Split a text at separators outside of all brackets.

    Args:
        text: a cleaned answer.
        mark: "comma" (also semicolons, `and`, `or`), "cup", "relation" or "equal" (also `\in`).

    Returns:
        The parts in order, stripped; blank ones are dropped.
    """
    spaced = ", " in text
    cuts, depth = [0], 0
    for match in _TOKENS.finditer(text):
        if match["open"]:
            depth += 1
        elif match["close"]:
            depth -= 1
        elif depth == 0 and match[mark] and not (spaced and mark == "comma" and _THOUSANDS.match(text, match.start())):
            cuts += match.span()
    pieces = [text[start:end].strip() for start, end in pairwise([*cuts, len(text)])][::2]
    return [piece for piece in pieces if piece] or [text]


def _enclosed(text: str, depth: int = 0) -> Structure | None:
    """Parse a pair of brackets around the whole text; parentheses around a single value are redundant."""
    opening = next((sign for sign in _PAIRS if text.startswith(sign)), "")
    closing = next((sign for sign in _PAIRS.values() if text.endswith(sign)), "")
    if not opening or not closing or not _spans(text):
        return None
    inner = text[len(opening) : len(text) - len(closing)].strip()
    parts = split_outside(inner, "comma")
    if opening == r"\{" and closing == r"\}":
        return Structure("set", _signed(parts), "{}") if inner and not re.search(r"\\mid|\||:", inner) else None
    if len(parts) < 2:
        return _parse(inner, depth + 1) if (opening, closing) == ("(", ")") and inner else None
    if (opening, closing) in (("(", ")"), (r"\langle", r"\rangle")):
        return _tuple(inner, parts)
    if opening in "([" and closing in ")]":
        return Structure("interval" if len(parts) == 2 else "list", tuple(parts), opening + closing)
    return None


def _combined(text: str, depth: int) -> Structure | None:
    r"""Parse a sum of tuples or matrices, `(1,2)+t(3,4)`, or a multiple of one, `-2(1,2)`.

    A letter alone before a pair is a function: `f(1,2)`.
    """
    text = re.sub(r"\\langle(?![a-zA-Z])\s?", "(", re.sub(r"\s?\\rangle(?![a-zA-Z])", ")", text))
    if not text.endswith((")", "}")) or not re.search(r"[,&]|\\\\", text):
        return None
    terms: list[tuple[str, Structure]] = []
    closing, at, scaled = partners(text), 0, False
    while at < len(text):
        factor = FACTOR.match(text, at)
        assert factor is not None
        vector, end = _vector(text, factor.end(), closing, depth)
        if vector is None or (terms and not factor["sign"]):
            return None
        scaled = scaled or not factor["letter"] or bool(factor["times"])
        times = r" \cdot " if factor["letter"] else ""  # `t(4)` would be a function
        terms.append((f"{factor['sign']}{factor['number']}{factor['letter']}{times}", vector))
        at = re.compile(r"\s*").match(text, end).end()  # type: ignore[union-attr]
    shapes = {(vector.kind, vector.brackets) for _, vector in terms}
    parts = summed([(factor, vector.parts) for factor, vector in terms]) if scaled and len(shapes) == 1 else None
    return replace(terms[0][1], parts=parts) if parts else None


def _vector(text: str, at: int, closing: dict[int, int], depth: int) -> tuple[Structure | None, int]:
    """Parse a tuple or a matrix at an offset, and return the offset behind it."""
    if text.startswith("(", at) and at in closing:
        end = closing[at] + 1
        found = _enclosed(text[at:end], depth + 1)
        return (found, end) if found and found.kind == "tuple" else (None, end)
    matrix = _MATRIX.match(text, at)
    return (_matrix(matrix["body"], ""), matrix.end()) if matrix else (None, at)


def _assigned(text: str, depth: int) -> Structure | None:
    """Parse `(a,b) = (1,2)` as the list `a=1, b=2`."""
    sides = [_enclosed(side, depth + 1) for side in split_outside(text, "equal")]
    if len(sides) != 2 or not all(side and side.kind == "tuple" for side in sides):
        return None
    names, values = (side.parts for side in sides if side)
    if len(names) != len(values) or not all(re.fullmatch(r"[a-zA-Z](?:_\{?\w\}?)?", name) for name in names):
        return None
    return Structure("list", tuple(f"{name}={value}" for name, value in zip(names, values, strict=True)))


def _spans(text: str) -> bool:
    """Whether the first bracket of a text is closed at its very end."""
    depth = 0
    for match in _TOKENS.finditer(text):
        depth += bool(match["open"]) - bool(match["close"])
        if depth == 0 and match["close"]:
            return match.end() == len(text)
    return False


def _tuple(inner: str, parts: list[str]) -> Structure:
    if _TIES.search(inner):
        tuples = [split_outside(each, "comma") for each in _expanded(inner)]
        return Structure("list", tuple(f"({','.join(each)})" for each in tuples))
    return Structure("tuple", tuple(parts), "()")


def _matrix(body: str, factor: str) -> Structure:
    r"""Read a matrix, each cell times the scalar before it: `\frac{1}{2}\begin{pmatrix} 1 \\ 2 \end{pmatrix}`."""
    rows = [row.split("&") for row in body.split("\\\\") if row.strip()]
    factor = factor if factor in ("", "-") else rf"{factor} \cdot "
    before, after = (f"{factor}(", ")") if factor else ("", "")
    cells = tuple(f"{before}{cell.strip()}{after}" for row in rows for cell in row)
    return Structure("matrix", cells, "x".join(str(len(row)) for row in rows))


def _atom(text: str) -> Structure:
    parts = _signed([text])
    return Structure("list" if len(parts) > 1 else "atom", parts)


def _signed(parts: list[str]) -> tuple[str, ...]:
    return tuple(each for part in parts for each in _expanded(part))


def _expanded(part: str) -> Iterator[str]:
    r"""Expand `\pm`: jointly if there is a `\mp`, else independently."""
    signs = _TIES.findall(part)
    if not 0 < len(signs) <= _MOST_SIGNS or not re.search(r"\w", _TIES.sub("", part)):
        yield part
        return
    pieces = _TIES.split(part)
    tied = any(sign.startswith("\\mp") for sign in signs)
    choices = [("+",) * len(signs), ("-",) * len(signs)] if tied else list(product("+-", repeat=len(signs)))
    for choice in choices:
        written = [
            "-+"[sign == "-"] if name.startswith("\\mp") else sign for sign, name in zip(choice, signs, strict=True)
        ]
        yield pieces[0] + "".join(map(str.__add__, written, pieces[1:]))
