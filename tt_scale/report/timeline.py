"""How many problems were searched at once, over time.

A record holds how long its search took, not when it began. Searches begin in a known order, as many at once as
`concurrency` says, and each next one when one ends; that is enough to lay them out. Grading and breaks between the
segments of a run are not in it.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from tt_scale.bench.reader.run_data import RunData
from tt_scale.bench.reader.search_record import Row

__all__ = ["Span", "in_flight", "spans_of"]


@dataclass(frozen=True, slots=True)
class Span:
    """When one search was under way.

    Attributes:
        row: its numbers.
        start: seconds since the first began.
        end: likewise.
    """

    row: Row
    start: float
    end: float


def spans_of(run: RunData) -> list[Span]:
    """Lay the searches of a run out in time, in the order in which they begin."""
    width = max(int(run.manifest["config"].get("concurrency", 1)), 1)
    free = [0.0] * width
    spans = []
    for row in sorted(run.rows, key=lambda row: (row.repeat, row.index)):
        start = heapq.heappop(free)
        spans.append(Span(row, start, start + row.usage.seconds))
        heapq.heappush(free, start + row.usage.seconds)
    return spans


def in_flight(spans: Sequence[Span]) -> list[tuple[float, int]]:
    """Searches under way from each moment on at which their number changes, by time."""
    changes: Counter[float] = Counter()
    for span in spans:
        changes[span.start] += 1
        changes[span.end] -= 1
    times = sorted(changes)
    return list(zip(times, accumulate([changes[time] for time in times]), strict=True))
