"""Text that others wrote, made safe to print: whatever a model wrote moves no cursor and hides nothing."""

from __future__ import annotations

import re

__all__ = ["UNPRINTABLE", "excerpt", "printable"]

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\ud800-\udfff]")
"""Characters that show nothing, reverse the text around them or are not valid in UTF-8."""

UNPRINTABLE = re.compile(f"{CONTROL.pattern}|{INVISIBLE.pattern}")


def printable(text: str) -> str:
    """Show control characters instead of sending them to a terminal; tabs and line breaks stay.

    Args:
        text: of any kind.
    """
    shown = CONTROL.sub(lambda found: _picture(ord(found[0])), text.replace("\r\n", "\n"))
    return INVISIBLE.sub(lambda found: f"<U+{ord(found[0]):04X}>", shown)


def excerpt(text: str, width: int) -> str:
    """Give the beginning of a text on one line.

    Args:
        text: of any kind.
        width: most characters, at least 1.
    """
    line = printable(" ".join(text[: 4 * width + 80].split()))
    return line if len(line) <= width and len(text) <= 4 * width + 80 else f"{line[: width - 1].rstrip()}…"


def _picture(code: int) -> str:
    """The picture of an ASCII control character; the number of any other."""
    return "␡" if code == 0x7F else chr(0x2400 + code) if code < 0x20 else f"<U+{code:04X}>"
