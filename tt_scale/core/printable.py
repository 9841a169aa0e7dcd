r"""Text from models, files and servers, made safe to print: what a terminal would obey is shown instead.

    >>> printable("a\x1b[2Jb"), printable("a\tb"), printable("\u202egnp.exe")
    ('a\\x1b[2Jb', 'a\tb', '\\u202egnp.exe')
    >>> shown("x" * 1000, most=12), shown([[[[[1]]]]])
    ("'xxx...xxxx'", '[[[[[...]]]]]')

A terminal obeys control characters (C0 with ESC, DEL, C1); marks of writing direction make it show characters in
another order than they stand in, other invisible ones hide a difference, and half a character cannot be encoded. Tabs
and line ends stay, and the joiners that some scripts are written with.
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
    r"""Write what a terminal would obey as escapes of Python's: `\x1b`, `\u202e`.

    Args:
        text: of any origin.
    """
    return UNPRINTABLE.sub(_escape, text.replace("\r\n", "\n"))


def printable_json(text: str) -> str:
    r"""Write what a terminal would obey in the strings of a JSON text as JSON's escapes: `\u009b`.

    Args:
        text: as `json.dumps` gives it, which escapes the characters below a space itself.
    """
    return UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def one_line(text: str) -> str:
    """Write a text on one line, every run of blank space as one space, and what a terminal would obey as escapes."""
    return printable(" ".join(text.split()))


def excerpt(text: str, width: int) -> str:
    """Give the beginning of a text on one line.

    Args:
        text: of any kind and length.
        width: most characters, at least 1.
    """
    beginning = text[: 4 * width + 80]
    line = one_line(beginning)
    return line if len(line) <= width and beginning == text else f"{line[: width - 1].rstrip()}…"


def has_controls(text: str) -> bool:
    """Whether a text holds a control character, tabs and line ends among them."""
    return _ANY_CONTROL.search(text) is not None


def shown(value: Any, most: int = 80) -> str:
    """Give `repr` of a value for a message: short, however long, deep or large the value is, and safe to print.

    Args:
        value: of any type that JSON or YAML has.
        most: characters of a text or number, at least 8.
    """
    style = reprlib.Repr()
    style.maxstring = style.maxother = style.maxlong = most
    style.maxlevel, style.maxlist, style.maxdict, style.maxtuple = 4, 6, 6, 6
    try:
        return printable(style.repr(value))
    except ValueError:  # a whole number that is too long to be written in decimals
        return f"a number of {value.bit_length()} bits" if isinstance(value, int) else f"a {type(value).__name__}"


def listed(names: Iterable[str], *, quoted: bool = False, most: int = 30) -> str:
    """List names for a message, of many or long ones the beginning: `question, answer`.

    Args:
        names: of any number and length.
        quoted: whether each stands in quotation marks.
        most: names, at least 1.
    """
    first = [*islice(names, most + 1)]
    texts = [shown(name) if quoted else printable(name if len(name) <= 80 else f"{name[:77]}...") for name in first]
    return ", ".join(texts if len(texts) <= most else [*texts[:-1], "..."])


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape", "surrogatepass").decode("ascii")
