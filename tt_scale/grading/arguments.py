r"""Insertion of missing braces around LaTeX arguments: `\frac2\pi`, `\sqrt13`, `\sqrt[3]2`, `x^10`, `10^-5`.

    >>> brace_arguments(r"\frac2\pi-1"), brace_arguments(r"4\sqrt(2)"), brace_arguments("10^-5")
    ('\\frac{2}{\\pi}-1', '4\\sqrt{2}', '10^{-5}')

`\frac` takes single digits, as in TeX (`\frac12`). Roots and scripts take a whole number: TeX renders `\sqrt13` as a
root of 1 followed by a 3, which no solution means. A root and a script also take a parenthesised argument.

An argument is rewritten only after all arguments of its command are found: otherwise a `\frac` without its second
argument would rewrite the first one twice, and nested ones would take exponential time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

__all__ = ["GREEK", "brace_arguments", "partners"]

_LONGEST = 2000
"""Maximum length in characters; a longer text is not rewritten."""
_DEEPEST, _COMMAND_DEPTH = 24, 3
"""Maximum nesting: a pair of braces counts 1, a command that is an argument without braces counts 3."""

_NEEDY = re.compile(r"\\(?:frac|binom|sqrt)(?![a-zA-Z])|(?<!\\)[\^_]")
_ESCAPE = re.compile(r"\\.|[{}()\[\]]", re.DOTALL)
_COMMAND = re.compile(r"\\(?:[a-zA-Z]+|\^)")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_SIGNED = re.compile(r"\s*([+-]\s*(?:\d+(?:\.\d+)?|[a-zA-Z]|\\[a-zA-Z]+))")
_GREEK_NAMES = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi rho sigma tau "
    "upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega infty ell"
)
GREEK = frozenset(_GREEK_NAMES.split())
_WRAPPER_NAMES = "text mathrm mathbf mathit mathbb mathcal overline bar vec hat operatorname"
_WRAPPERS = frozenset(_WRAPPER_NAMES.split())


def brace_arguments(text: str) -> str:
    r"""Insert braces around the arguments of `\frac`, `\binom`, `\sqrt`, `^` and `_` that lack them.

    Args:
        text: LaTeX; a command without all of its arguments is not changed.
    """
    if len(text) > _LONGEST or not _NEEDY.search(text):
        return text
    return _Arguments(text).rewrite(0, len(text))


def partners(text: str) -> dict[int, int]:
    """Map the offset of each opening bracket to that of its closing one, in linear time.

    Args:
        text: LaTeX; escaped braces are not brackets, and each kind of bracket is paired separately.
    """
    pairs: dict[int, int] = {}
    open_offsets: dict[str, list[int]] = {"}": [], ")": [], "]": []}
    closing = {"{": "}", "(": ")", "[": "]"}
    for match in _ESCAPE.finditer(text):
        if match[0] in closing:
            open_offsets[closing[match[0]]].append(match.start())
        elif open_offsets.get(match[0]):
            pairs[open_offsets[match[0]].pop()] = match.start()
    return pairs


@dataclass(frozen=True, slots=True)
class _Argument:
    """An argument, or a command with its arguments.

    Attributes:
        written: function that returns it in rewritten form.
        end: offset behind it.
    """

    written: Callable[[], str]
    end: int


class _Arguments:
    """Rewrites the arguments of one text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.partners = partners(text)
        self._lacking: set[tuple[int, int, bool]] = set()

    def rewrite(self, start: int, end: int, depth: int = 0) -> str:
        """Rewrite a slice of the text."""
        return "".join(self._pieces(start, end, depth)) if depth < _DEEPEST else self.text[start:end]

    def _pieces(self, start: int, end: int, depth: int) -> Iterator[str]:
        while match := _NEEDY.search(self.text, start, end):
            yield self.text[start : match.start()]
            argument = self._needy(match, end, depth)
            yield argument.written() if argument else match[0]
            start = argument.end if argument else match.end()
        yield self.text[start:end]

    def _needy(self, match: re.Match[str], end: int, depth: int, *, wide: bool = True) -> _Argument | None:
        """Parse a command with its arguments; None if one is missing, which is cached."""
        span = (match.end(), end, wide)
        if span in self._lacking:
            return None
        argument = self._complete(match, end, depth, wide=wide)
        if argument is None:
            self._lacking.add(span)
        return argument

    def _complete(self, match: re.Match[str], end: int, depth: int, *, wide: bool) -> _Argument | None:
        if match[0] == r"\sqrt":
            return self._root(match.end(), end, depth, wide=wide)
        if match[0] in "^_":
            return self._script(match[0], match.end(), end, depth)
        first = self._argument(match.end(), end, depth, wide=False)
        second = first and self._argument(first.end, end, depth, wide=False)
        if not first or not second:
            return None
        return _Argument(lambda: f"{match[0]}{{{first.written()}}}{{{second.written()}}}", second.end)

    def _root(self, at: int, end: int, depth: int, *, wide: bool) -> _Argument | None:
        at = index = self._past_space(at, end)
        if self.text.startswith("[", at, end):
            closing = self.partners.get(at, end)
            if closing >= end:
                return None
            at = closing + 1
        after = at
        radicand = self._argument(at, end, depth, wide=wide)

        def written() -> str:
            order = self.rewrite(index + 1, after - 1, depth + 1).strip() if after > index else ""
            assert radicand is not None
            return rf"\sqrt{f'[{order}]' if order not in ('', '2') else ''}{{{radicand.written()}}}"

        return radicand and _Argument(written, radicand.end)

    def _script(self, sign: str, at: int, end: int, depth: int) -> _Argument | None:
        if signed := _SIGNED.match(self.text, at, end):
            return _Argument(lambda: f"{sign}{{{signed[1].replace(' ', '')}}}", signed.end())
        start = self._past_space(at, end)
        if start < end and (self.text[start] in "(" or self.text[start].isdigit() or self.text.startswith("\\", start)):
            if self.text.startswith((r"\circ", r"\prime", r"\text", r"\mathrm"), start):
                return None
            content = self._argument(start, end, depth, wide=True)
            return content and _Argument(lambda: f"{sign}{{{content.written()}}}", content.end)
        return None

    def _argument(self, at: int, end: int, depth: int, *, wide: bool) -> _Argument | None:
        """Parse one argument; None if there is none."""
        at = self._past_space(at, end)
        if at >= end:
            return None
        opening = self.text[at]
        if opening == "{" or (opening == "(" and wide):
            closing = self.partners.get(at, end)
            if closing >= end:
                return None
            return _Argument(lambda: self.rewrite(at + 1, closing, depth + 1).strip(), closing + 1)
        if opening == "\\":
            return self._command(at, end, depth, wide=wide)
        number = _NUMBER.match(self.text, at, end) if wide else None
        if number:
            return self._unchanged(at, number.end())
        return self._unchanged(at, at + 1) if opening.isascii() and opening.isalnum() else None

    def _command(self, at: int, end: int, depth: int, *, wide: bool) -> _Argument | None:
        match = _COMMAND.match(self.text, at, end)
        if not match or depth >= _DEEPEST:
            return None
        if needy := _NEEDY.match(self.text, at, end):
            return self._needy(needy, end, depth + _COMMAND_DEPTH, wide=wide)
        name = match[0][1:]
        if name in _WRAPPERS:
            closing = self.partners.get(self._past_space(match.end(), end), end)
            return self._unchanged(at, closing + 1) if closing < end else None
        return self._unchanged(at, match.end()) if name in GREEK else None

    def _unchanged(self, start: int, end: int) -> _Argument:
        return _Argument(lambda: self.text[start:end], end)

    def _past_space(self, at: int, end: int) -> int:
        while at < end and self.text[at].isspace():
            at += 1
        return at
