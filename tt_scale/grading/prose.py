r"""Answers in words: detection of prose, remarks after a complete answer, and choice letters.

>>> split_remark(r"2x^3+c \text{ for any real constant } c")
('2x^{3}+c', 'free', 'for any real constant c')
>>> choice("(C) 42"), choice(r"\text{C: 32 degrees}"), choice("C+1")
(('C', '42'), ('C', '32 degrees'), None)
>>> words(r"\text{No solution.}"), words("x+1")
('no solution', '')
"""

from __future__ import annotations

import re
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

from tt_scale.grading.normal import clean, key
from tt_scale.grading.units import split_unit

__all__ = ["choice", "has_words", "named_set", "split_remark", "untexted", "words"]

Remark = Literal["", "free", "domain", "condition"]

_LONGEST = 2000
_LONGEST_NAMES = 200
_TEXT = re.compile(r"\\(?:text|textbf|textit|textrm|textnormal|mathrm|mathbf|mbox|emph)\s*\{([^{}]*)\}")

_FREE = (
    r"for\s+(?:any|all|every|each|some|arbitrary|integers?|reals?|positive|nonnegative|non-negative|natural|constants?)\b"
    r"|where\b|with\b|because\b|since\b|as\s+(?:required|desired|needed|stated|shown)\b|in\s+total\b|respectively\b"
    r"|is\s+the\b|are\s+the\b|is\s+our\b|which\b|rounded\b|approximately\b|up\s+to\b|by\s+the\b|,?\s*so\s+the\b"
)
_DOMAIN = r"(?:for|provided|assuming)\s+\$?\\?[a-zA-Z]\w*(?:\s*,\s*[a-zA-Z])*\s*(?:[<>]|\\(?:in|ge|le|ne)(?![a-zA-Z]))"
_CONDITION = r"if\b|when\b|unless\b|otherwise\b|else\b|for\b|provided\b|assuming\b"
_REMARK = re.compile(
    rf"\s*[,;:(—]?\s*(?<![a-zA-Z\\])(?:(?P<domain>{_DOMAIN})|(?P<free>{_FREE})|(?P<condition>{_CONDITION}))",
    re.IGNORECASE,
)
_DENIAL = re.compile(
    r"\b(?:not|wrong|incorrect|false|fails?|cannot|excluded|excluding|except|instead|remainder|multiplicity)\b"
)
_REASON = re.compile(r"\W*(?:because|since|as|where|which|for)\b", re.IGNORECASE)
_CLAIM = re.compile(
    r"\b(?:(?:answer|result|total|solution|sum|value|it)\s+(?:is|was|are|equals|becomes)|so|thus|hence|therefore)\s+"
    r"\D{0,30}(?P<number>\d[\d.,]*)"
)
_PRECISION = re.compile(r"\b(?:decimals?|places?|digits?|significant|nearest)\b")
_CASE = re.compile(r"\b(?:for|if|when|where|otherwise|else)\b")
_SET = (
    r"(?:\\(?:mathbb|mathbf|mathrm|Bbb|bf)\s*\{?\s*(?P<double>[A-Z])\s*\}?|(?P<plain>[A-Z])(?![a-zA-Z]))"
    r"(?P<part>\s*[\^_]\s*\{?[^{}\s,;)]*\}?)?"
)
_MEMBERSHIP = re.compile(rf"(?:\s*[,;(]\s*|\s{{2,}})(?P<names>[a-zA-Z](?:\s*,\s*[a-zA-Z])*)\s*\\in\s*{_SET}\s*\)?$")
_MEMBER = re.compile(rf"\\in\s*{_SET}")
_KIND = re.compile(r"\b(?P<part>positive|non-?negative)?\s*(?P<kind>integer|natural|whole|rational|real|complex)s?\b")
_SETS = MappingProxyType({"integer": "Z", "natural": "N", "whole": "N_0", "rational": "Q", "real": "R", "complex": "C"})
_SAME_SETS = MappingProxyType({"Z^+": "N", "Z_+": "N", "N^+": "N", "N^*": "N", "N_+": "N", "Z_0": "N_0"})
_CHOICE = re.compile(
    r"""(?:(?:the\s+)?(?:correct\s+)?(?:option|choice|answer)(?:\s+is)?\s*:?\s*)?
        (?: [(\[]\s*(?P<bracketed>[A-J])\s*[)\]][.:]?(?P<after>.*)
          | (?P<marked>[A-J])\s*[.):](?:(?P<text>\s+.*)|$)
          | (?P<bare>[A-J]) )""",
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_NO_TEXT = re.compile(
    r"\s*(?:[-+*/^_=<>,;&!|(\[]|\\(?:cdot|times|cup|cap|le|ge|to|pm)|(?:and|or|if|when)\b"
    r"|(?:is|are|was)\s+(?:not|never|wrong|false|incorrect)\b)"
)
_ANOTHER = re.compile(
    r"""(?: (?:^|[,;:.?!)]\s*|\s(?:and|or|but|no|not)\b\W*) (?P<marked>[A-J])[.):](?=\s*\w)
          | (?:^|[\s,;:.?!]) [(\[](?P<bracketed>[A-J])[)\]](?=\s+(?!(?:and|or|only|is|are)\b)\w)
          | (?:[;.?!]\s*|\b(?:no|not|really|rather|actually|maybe)\W+) (?P<last>[A-H])\W*$
          | ^[(\[]?(?P<only>[A-J])\W*$ )""",
    re.VERBOSE | re.IGNORECASE,
)
"""A second letter, which leaves open which is chosen; not that of `John D. Smith`, `Vitamin C` or `both A and B`."""

_DENIED = re.compile(r"(?:wrong|incorrect|unsure|(?:is\s+)?not\s+(?:sure|certain|correct|right))\W*$", re.IGNORECASE)

_RUN = re.compile(r"\\[a-zA-Z]+|[a-zA-Z]+")
_SHORT_WORDS = "no yes the is of at not all one two red odd see as it are its any on by so to if only none"
_SHORT = frozenset(_SHORT_WORDS.split())


def untexted(text: str) -> str:
    r"""Replace `\text{}` and similar commands by their content.

    Args:
        text: a cleaned answer.
    """
    return re.sub(r"\s+", " ", _TEXT.sub(r" \1 ", text)).strip()


def has_words(text: str) -> bool:
    """Whether an answer contains words, and therefore is not a formula.

    Args:
        text: a cleaned answer without its unit.
    """
    if any(_contains_word(match[1]) for match in _TEXT.finditer(text)):
        return True
    outside = re.sub(r"_\s*\{[^{}]*\}|\\begin\{[^{}]*\}|\\end\{[^{}]*\}", " ", text)
    return any(_is_word(match[0]) for match in _RUN.finditer(outside))


def words(text: str) -> str:
    """Canonical spelling of an answer that consists of words; empty for anything else.

    Args:
        text: an answer as a model or a data set states it.
    """
    text = clean(text)
    if len(text) > _LONGEST or not has_words(text):
        return ""
    plain = re.sub(r"[.!?'\"]", "", untexted(text).casefold())
    plain = re.sub(r"^(?:the|an?)\s+", "", plain)
    return plain if re.fullmatch(r"[^\W\d_]+(?:[\s-]+[^\W\d_]+)*", plain) else ""


@lru_cache(maxsize=4096)
def split_remark(text: str) -> tuple[str, Remark, str]:
    r"""Split a complete answer from the prose after it.

    Args:
        text: an answer as a model or a data set states it.

    Returns:
        The answer; the kind of the remark ("free": irrelevant, as `for all n`; "domain": range of a variable, which may
        be omitted; "condition": part of the answer); and the remark.
    """
    text = clean(text)
    if len(text) > _LONGEST:
        return text, "", ""
    if (match := _membership(text)) and _mentions(text[: match.start()], match["names"]):
        return text[: match.start()].strip(), "free", match[0].strip()
    plain = untexted(text)
    for match in _REMARK.finditer(plain):
        head = plain[: match.start()].strip()
        if not head:
            return text, "", ""
        kind: Remark = "domain" if match["domain"] else "free" if match["free"] else "condition"
        tail = plain[match.start() :].strip(" ,;:()—.")
        several = re.search(r"(?:\bif\b|\bwhen\b|\botherwise\b|\belse\b|\bunless\b)", tail[4:], re.IGNORECASE)
        if has_words(split_unit(head)[0]) or (kind == "free" and _takes_back(head, tail)):
            return text, "", ""
        return head, "condition" if several or _states_another_case(tail) else kind, tail
    return text, "", ""


def _takes_back(head: str, tail: str) -> bool:
    """Whether a remark denies the answer or states another number: `5 is the wrong one`, `5 with remainder 2`."""
    reason = _REASON.match(tail)
    if _DENIAL.search(tail) and not reason:
        return True
    if (reason or not re.search(r"\d", head)) and not _CLAIM.search(tail):
        return False
    if re.search(r"[\\a-zA-Z]", head) or _PRECISION.search(tail):
        return False
    claims = [found["number"] for found in _CLAIM.finditer(tail)] if reason else re.findall(r"\d[\d.,]*", tail)
    return any(key(number) != key(head) for number in claims)


def _states_another_case(tail: str) -> bool:
    """Whether a remark goes on with another value: `for all odd n, 6 for all even n`."""
    for part in re.split(r"[,;]|\band\b", tail)[1:]:
        case = _CASE.search(part)
        if case and part[: case.start()].strip() and not has_words(part[: case.start()]):
            return True
    return False


def named_set(remark: str) -> str:
    r"""Name the set of numbers of a remark's variable: `n \in \mathbb{Z}`, `for all integers n`; empty without one.

    Args:
        remark: as `split_remark` returns it.
    """
    if found := _MEMBER.search(remark):
        part = re.sub(r"[\s{}]", "", found["part"] or "")
        name = f"{found['double'] or found['plain']}{part}"
    elif found := _KIND.search(remark.lower()):
        part = {"positive": "^+", None: ""}.get(found["part"], "_0")
        name = f"{_SETS[found['kind']]}{part}"
    else:
        return ""
    return _SAME_SETS.get(name, name)


def choice(text: str) -> tuple[str, str] | None:
    """Parse a choice letter with its text; None for anything else.

    Args:
        text: an answer as a model or a data set states it.

    Returns:
        The letter in upper case, and its text; empty if there is none. A second letter in place of a text leaves open
        which of the two is chosen, so that they are given together.
    """
    plain = untexted(clean(text))
    match = _CHOICE.fullmatch(plain) if len(plain) < _LONGEST else None
    if not match:
        return None
    letter = match["bracketed"] or match["marked"] or match["bare"]
    rest = match["after"] or match["text"] or ""
    if _NO_TEXT.match(rest) or not (letter.isupper() or match["bracketed"] or rest):
        return None
    rest = rest.strip()
    if _DENIED.match(rest):
        return None
    others = [next(filter(None, found.groups())) for found in _ANOTHER.finditer(rest)]
    other = next((each for each in others if each.isupper() and each != letter.upper()), "")
    return (f"{letter} {other}".upper(), "") if other else (letter.upper(), rest)


def _membership(text: str) -> re.Match[str] | None:
    r"""Match `, n \in \mathbb{N}` at the end; names are searched only shortly before the last `\in`."""
    sign = text.rfind("\\in")
    return _MEMBERSHIP.search(text, max(sign - _LONGEST_NAMES, 0)) if sign >= 0 else None


def _contains_word(content: str) -> bool:
    r"""Whether the content of `\text{}` is a word, and not a letter, points (`AB`), or the `or` of a list."""
    letters = re.sub(r"[^a-zA-Z]", "", content)
    return len(letters) > 1 and not letters.isupper() and letters not in ("and", "or")


def _mentions(head: str, names: str) -> bool:
    letters = re.sub(r"\\[a-zA-Z]+", " ", head)
    return bool(head.strip()) and all(name.strip() in letters for name in names.split(","))


def _is_word(run: str) -> bool:
    if run.startswith("\\"):
        return False
    return run.lower() in _SHORT or (len(run) > 3 and not (run.isupper() and list(run) == sorted(run)))
