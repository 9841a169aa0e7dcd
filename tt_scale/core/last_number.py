"""The last number of a text: the answer rule of sets whose solutions name their answer in no box."""

from __future__ import annotations

import re

__all__ = ["last_number"]

_LONGEST = 100_000
"""Characters at the end of a text that are read."""

_NUMBER = re.compile(r"(?:(?<![\w.,)])-)?(?:[0-9][0-9,]*(?:\.[0-9]+)?|\.[0-9]+)")


def last_number(text: str) -> str | None:
    """Give the last number of a text as it stands there, without thousands separators; None if it holds none.

    A minus sign counts as a sign unless it follows a letter, a digit or a closing bracket. Fractions are not read as
    one number: of "3/4", the last number is 4.

    >>> last_number("They sell 3 of 1,250 eggs for $2,500.50.")
    '2500.50'
    """
    found = _NUMBER.findall(text[-_LONGEST:])
    return found[-1].replace(",", "") if found else None
