"""The answer rule `last_number`: the final answer is the last number of a solution."""

from __future__ import annotations

import re

__all__ = ["last_number"]

_LONGEST = 100_000
"""Number of characters at the end of a text that are searched."""

_NUMBER = re.compile(r"(?:(?<![\w.,)])-)?(?:[0-9][0-9,]*(?:\.[0-9]+)?|\.[0-9]+)")


def last_number(text: str) -> str | None:
    """Extract the last number of a text, without thousands separators; None if there is none.

    A minus sign counts unless it follows a letter, a digit or a closing bracket. Fractions are not parsed: the last
    number of "3/4" is 4.

    >>> last_number("They sell 3 of 1,250 eggs for $2,500.50.")
    '2500.50'
    """
    numbers = _NUMBER.findall(text[-_LONGEST:])
    return numbers[-1].replace(",", "") if numbers else None
