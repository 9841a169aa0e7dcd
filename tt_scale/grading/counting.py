r"""Numbers of combinations and permutations, and points, which are written alike: `C(10,3)`.

    >>> as_counted("120", "C(10,3)"), as_counted("(10,3)", "C(10,3)")
    (('120', '\\binom{10}{3}'), ('(10,3)', '(10,3)'))

The other side decides: against a tuple it is a point with a name, against anything else a number. If both sides are
written with letters, as `C(10,3)` and `C(10,7)`, neither is rewritten: two points may be meant, which differ.
"""

from __future__ import annotations

import re
from functools import lru_cache

from tt_scale.grading.normal import clean
from tt_scale.grading.structure import structure

__all__ = ["as_counted"]

_LONGEST = 300
_MARKED = re.compile(r"[A-Z][^A-Z]*\d|choose")
"""What every rewritten text contains: a cheap condition."""

_NAME = "[A-MO-TV-Z]"
"""Names of points; `N` and `U` are distributions."""
_POINT = re.compile(rf"(?:\\(?:mathrm|text|mathbf)\s*\{{\s*{_NAME}\s*\}}|{_NAME})\s*(\(.+\))", re.DOTALL)
_UPRIGHT = re.compile(r"\\(?:mathrm|text|operatorname)\s*\{\s*n?([CPA])r?\s*\}|(?<![a-zA-Z\\])n([CP])r")
_SIZE = r"\s*(\d{1,4}|[a-z](?:\s*[+-]\s*\d)?)\s*"
_SCRIPT = r"\s*\{?\s*(\d{1,4})\s*\}?\s*"
_FORMS = tuple(
    re.compile(rf"{pattern}(?!\s*(?:[=<>≤≥≠]|\\(?:[lg]eq?|neq?)(?![a-zA-Z])))")  # not a name: `P(2,2)=1/4`
    for pattern in (
        rf"(?<![a-zA-Z\\_^])(?P<letter>[CP])\s*\((?P<whole>{_SIZE}),(?P<part>{_SIZE})\)",
        rf"(?:\{{\s*\}}\s*)?[_^](?P<whole>{_SCRIPT})(?P<letter>[CP])\s*_(?P<part>{_SCRIPT})(?![\w^])",
        rf"(?<![a-zA-Z\\_^\d}}])(?P<letter>[CPA])\s*_(?P<whole>{_SCRIPT})\^(?P<part>{_SCRIPT})(?!\w)",
        rf"(?<![a-zA-Z\\_^\d}}])(?P<letter>[CPA])\s*\^(?P<part>{_SCRIPT})_(?P<whole>{_SCRIPT})(?!\w)",
        r"(?<![\w.,}^])(?P<whole>\d{1,3})\s*(?P<letter>[CP])\s*_?\s*\{?\s*(?P<part>\d{1,3})\s*\}?(?![\w.,^!])",
        r"(?<![\w.,}])(?P<whole>\d{1,4})\s*(?:\\text\s*\{\s*)?(?P<letter>c)hoose\s*\}?\s*(?P<part>\d{1,4})(?![\w.,])",
    )
)
_BARE = _FORMS[4]


def as_counted(gold: str, answer: str) -> tuple[str, str]:
    """Write numbers of combinations and permutations as formulas, or points without their names.

    Args:
        gold: gold answer.
        answer: answer to compare.

    Returns:
        Both; unchanged unless exactly one of them has such a form.
    """
    if not (_MARKED.search(gold) or _MARKED.search(answer)):
        return gold, answer
    one, other = _forms(gold, of_gold=True), _forms(answer)
    if any(one) == any(other):
        return gold, answer
    return (_beside(gold, one, answer), answer) if any(one) else (gold, _beside(answer, other, gold))


def _beside(text: str, forms: tuple[str, str], other: str) -> str:
    formula, point = forms
    return (point if structure(other).kind == "tuple" else formula) or text


@lru_cache(maxsize=4096)
def _forms(text: str, *, of_gold: bool = False) -> tuple[str, str]:
    """The text with formulas for its numbers of combinations, and its coordinates; each is empty where it has none.

    `2C1` is read in answers alone: as a gold answer it may be a code or a number of base 16.
    """
    if len(text) > _LONGEST or not _MARKED.search(text):
        return "", ""
    cleaned = clean(text)
    point = _POINT.fullmatch(cleaned)
    coordinates = point[1] if point and structure(point[1]).kind == "tuple" else ""
    written = upright = _UPRIGHT.sub(lambda found: found[1] or found[2], cleaned)
    for form in _FORMS:
        if of_gold and form is _BARE:
            continue
        written = form.sub(_formula, written)
    return (written if written != upright else ""), coordinates


def _formula(found: re.Match[str]) -> str:
    whole, part = (re.sub(r"[\s{}]", "", found[name]) for name in ("whole", "part"))
    known = whole.isdigit() and part.isdigit()
    if known and int(part) > int(whole):
        return found[0]
    if found["letter"] in "Cc":
        return rf"\binom{{{whole}}}{{{part}}}"
    return rf"(\frac{{{whole}!}}{{{int(whole) - int(part)}!}})" if known else found[0]
