r"""Escaping of untrusted text for the terminal: control characters are shown, not executed.

    >>> printable("a\x1b[2Jb"), printable("a\tb"), printable("\u202egnp.exe")
    ('a\\x1b[2Jb', 'a\tb', '\\u202egnp.exe')
    >>> shown("x" * 1000, most=12), shown([[[[[1]]]]])
    ("'xxx...xxxx'", '[[[[[...]]]]]')

A terminal interprets control characters (C0 with ESC, DEL, C1), marks of writing direction change the order in which
characters are shown, other invisible characters hide a difference, and lone surrogates cannot be encoded. Tabs, line
ends and the joiners that some scripts need are kept.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterable
from itertools import islice
from typing import Any

__all__ = ["UNPRINTABLE", "excerpt", "has_controls", "listed", "one_line", "printable", "printable_json", "shown"]

_CONTROLS = "\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029"
_DIRECTIONS = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_INVISIBLE = "\u200b\u2060-\u2064\ufeff\ud800-\udfff"
UNPRINTABLE = re.compile(f"[{_CONTROLS}{_DIRECTIONS}{_INVISIBLE}]")
_ANY_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    r"""Replace what a terminal would interpret by Python escapes: `\x1b`, `\u202e`.

    Args:
        text: of any origin.
    """
    return UNPRINTABLE.sub(_escape, text.replace("\r\n", "\n"))


def printable_json(text: str) -> str:
    r"""Replace what a terminal would interpret in a JSON text by JSON escapes: `\u009b`.

    Args:
        text: output of `json.dumps`, which escapes the characters below a space itself.
    """
    return UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def one_line(text: str) -> str:
    """Collapse whitespace to single spaces and escape what a terminal would interpret."""
    return printable(" ".join(text.split()))


def excerpt(text: str, width: int) -> str:
    """Shorten a text to one line.

    Args:
        text: text of any length.
        width: maximum number of characters, at least 1.
    """
    beginning = text[: 4 * width + 80]
    line = one_line(beginning)
    return line if len(line) <= width and beginning == text else f"{line[: width - 1].rstrip()}…"


def has_controls(text: str) -> bool:
    """Whether a text contains a control character; tabs and line ends count."""
    return _ANY_CONTROL.search(text) is not None


def shown(value: Any, most: int = 80) -> str:
    """Abbreviated `repr` of a value for a message, safe to print however long, deep or large the value is.

    Args:
        value: of any type that JSON or YAML has.
        most: maximum number of characters of a text or number, at least 8.
    """
    style = reprlib.Repr()
    style.maxstring = style.maxother = style.maxlong = most
    style.maxlevel, style.maxlist, style.maxdict, style.maxtuple = 4, 6, 6, 6
    try:
        return printable(style.repr(value))
    except ValueError:  # an integer with more digits than Python converts
        return f"a number of {value.bit_length()} bits" if isinstance(value, int) else f"a {type(value).__name__}"


def listed(names: Iterable[str], *, quoted: bool = False, most: int = 30) -> str:
    """Join names for a message, abbreviated if they are many or long: `question, answer`.

    Args:
        names: of any number and length.
        quoted: whether to quote each.
        most: maximum number of names, at least 1.
    """
    first = [*islice(names, most + 1)]
    texts = [shown(name) if quoted else printable(name if len(name) <= 80 else f"{name[:77]}...") for name in first]
    return ", ".join(texts if len(texts) <= most else [*texts[:-1], "..."])


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape", "surrogatepass").decode("ascii")
