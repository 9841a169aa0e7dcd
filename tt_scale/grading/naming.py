r"""Answers with a name: `x = 5`, `m_{\max} = n^2-n-1`, `f(x) = 2x`, `x \in [1,2]`, `\text{Area} = 6`.

    >>> named(r"m_{\max }=n^{2}-n-1").name, named(r"m_{\max }=n^{2}-n-1").value
    ('m_max', 'n^{2}-n-1')
    >>> named("2x+3y=6").name, named("2x+3y=6").is_equation
    ('', True)

A name is an expression that can denote a quantity: apart from subscripts and arguments it contains no number and no
power.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from tt_scale.grading.arguments import GREEK
from tt_scale.grading.normal import clean
from tt_scale.grading.prose import untexted
from tt_scale.grading.structure import split_outside

__all__ = ["Named", "named", "same_name"]

_SUBSCRIPT = re.compile(r"_\s*(?:\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}|\\?\w)")
_ARGUMENT = re.compile(r"(?<=[\w'}])\s*\([^()]*\)|\^\s*\{\s*-1\s*\}|'")
_SYMBOL = re.compile(rf"(?:sin|cos|tan|cot|sec|csc|log|ln)?(?:{'|'.join(GREEK)})(?:_.*)?")
_WORDY = re.compile(r"[a-z]{4}|^[A-Za-z]*[a-z]{3}$")


@dataclass(frozen=True, slots=True)
class Named:
    """An answer, split into a name and its value.

    Attributes:
        text: the whole answer.
        name: its name in canonical spelling; empty if it has none.
        value: the named value, the right side of an equation, or the text itself.
        is_equation: whether it is an equation between two formulas, neither of which is a name.
        is_relation: whether it is an inequality or another relation.
    """

    text: str
    name: str = ""
    value: str = ""
    is_equation: bool = False
    is_relation: bool = False

    def __post_init__(self) -> None:
        if not self.value:
            object.__setattr__(self, "value", self.text)

    @property
    def base(self) -> str:
        """The name without its subscript."""
        return self.name.split("_")[0]

    @property
    def is_calculation(self) -> bool:
        """Whether it is an equation whose left side is calculated: `2+4=6`."""
        return self.is_equation and not re.search(r"[a-zA-Z]", re.sub(r"\\[a-zA-Z]+", "", self.text.split("=")[0]))

    def mentions(self, name: str) -> bool:
        """Whether the value contains the name of another answer."""
        letters = re.sub(r"\\(?:frac|sqrt|sin|cos|tan|log|ln|cdot|times)(?![a-zA-Z])|\\text\{[^{}]*\}", " ", self.value)
        return name in letters

    def under(self, name: str) -> Named:
        """The same value under another name."""
        return replace(self, name=name)


@lru_cache(maxsize=4096)
def named(text: str) -> Named:
    """Parse an answer with the name before its value, or behind it as in `5 = x`.

    Args:
        text: an answer as a model or a data set states it.
    """
    text = clean(text)
    if split_outside(text, "relation")[1:]:
        return Named(text, is_relation=True)
    sides = split_outside(text, "equal")
    if len(sides) < 2:
        return Named(text)
    if _is_name(sides[0]):
        return Named(text, _spelled(sides[0]), sides[-1])
    if len(sides) == 2 and _is_name(sides[1]):
        return Named(text, _spelled(sides[1]), sides[0])
    return Named(text, "", sides[-1], is_equation=True)


def same_name(one: str, other: str) -> bool:
    """Whether two names may denote the same quantity: they are equal, or one is a word and the other a symbol.

    Args:
        one: a name, as `named` returns it.
        other: another name.
    """
    return one == other or _is_wordy(one) != _is_wordy(other)


def _is_wordy(name: str) -> bool:
    r"""Whether a name is a word, which may stand for any symbol; `\theta` is spelled like one and is none."""
    return bool(_WORDY.search(name)) and not _SYMBOL.fullmatch(name)


def _is_name(side: str) -> bool:
    if re.fullmatch(r"\(\s*[a-zA-Z]\w?(?:\s*,\s*[a-zA-Z]\w?)+\s*\)", side):
        return True
    bare = _ARGUMENT.sub("", _SUBSCRIPT.sub("", untexted(side)))
    return bool(re.search(r"[a-zA-Z]", bare)) and not re.search(
        r"[\d^<>]|\\(?:frac|sqrt)\s*\{[^a-zA-Z]*\}|^\\pi\s*$", bare
    )


def _spelled(side: str) -> str:
    r"""One spelling for `m_{\max }`, `m_{max}` and `m_\text{max}`."""
    plain = untexted(side)
    return re.sub(r"[\s{}\\]", "", plain)
