r"""Parsing and comparison of times of the day: `1:03 PM`, `9 a.m.`, `21:00`, `noon`.

    >>> same_time(clock(r"\text{1:03 PM}"), clock("1:03 p.m.")), same_time(clock("9 am"), clock("9:00 pm"))
    (True, False)
    >>> same_time(clock("21:00"), clock("9 pm")), clock("3:4") is None
    (True, True)

Between 1:00 and 12:59, am or pm may be omitted on one side, like a unit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from tt_scale.grading.normal import clean

__all__ = ["Clock", "clock", "same_time"]

_HALF_DAY = 12 * 60 * 60
_LONGEST = 80

_TIME = re.compile(
    r"(?:at\s+)?(?P<hour>\d{1,2})(?:(?P<colon>:)(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d))?|\.(?P<dotted>[0-5]\d)(?=\s*[ap]m))?"
    r"\s*(?:o'clock(?=\s*[a-z]))?\s*(?P<half>am|pm|noon|midnight|o'clock|at night|(?<=:[0-5]\d)[ap]"
    r"|(?:in the )?(?:morning|afternoon|evening))?"
    r"(?:,?\s+(?:on\s+)?(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day))?",
    re.IGNORECASE,
)
_LATE = frozenset(("pm", "noon", "afternoon", "evening", "at night", "p"))


@dataclass(frozen=True, slots=True)
class Clock:
    """A time of the day.

    Attributes:
        second: seconds since the last 0:00 or 12:00, in [0, 43200).
        late: whether it is in the second half of the day; None if not stated.
    """

    second: int
    late: bool | None


def clock(text: str) -> Clock | None:
    """Parse an answer as a time of the day; None for anything else.

    Args:
        text: an answer as a model or a data set states it; a bare number is not a time.
    """
    return _clock(text) if len(text) <= _LONGEST else None


@lru_cache(maxsize=4096)
def _clock(text: str) -> Clock | None:
    words = re.sub(r"\\(?:text|textbf|textrm|mathrm|mbox)\s*\{([^{}]*)\}", r" \1", clean(text)).strip()
    if words.lower() in ("noon", "midnight"):
        return Clock(0, words.lower() == "noon")
    words = re.sub(r"\s*(?:\{:\}|\\colon(?![a-zA-Z])|:)\s*", ":", re.sub(r"\s+", " ", words))
    found = _TIME.fullmatch(words)
    if not found or not (found["colon"] or found["half"]):
        return None
    hour, minute = int(found["hour"]), int(found["minute"] or found["dotted"] or 0)
    if hour > 24 or (hour > 12 and found["half"]):
        return None
    return Clock((hour * 3600 + minute * 60 + int(found["second"] or 0)) % _HALF_DAY, _late(hour, found["half"] or ""))


def same_time(gold: Clock, answer: Clock) -> bool:
    """Whether two times are equal; am or pm may be omitted on one side.

    Args:
        gold: gold answer.
        answer: answer to compare.
    """
    halves = {gold.late, answer.late} - {None}
    return gold.second == answer.second and len(halves) < 2


def _late(hour: int, half: str) -> bool | None:
    word = half.lower().removeprefix("in the ")
    if word == "o'clock" or not word:
        return hour < 24 if hour > 12 else False if hour == 0 else None
    return word in _LATE
