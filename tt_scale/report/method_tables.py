"""Tables with one line for each method that `bench` prints and that are made again from finished runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import ceil
from types import MappingProxyType

from tt_scale.bench.record import Row
from tt_scale.bench.stats.metrics import Summary, selector_accuracy, summarise
from tt_scale.report.cells import number_cell, percent_cell, share_cell
from tt_scale.report.tables import Sheet

__all__ = ["COSTS", "cost_sheet", "mean", "measured_seconds", "percentile", "selector_sheet"]

ROUNDING = 1e-9
"""Floating-point error that is allowed in a rank."""


def selector_sheet(rows: Mapping[str, Sequence[Row]]) -> Sheet:
    """Table of the accuracy of every selector on the same pools, by the number of paths it chooses from.

    Args:
        rows: method -> its rows.
    """
    known = {method: selector_accuracy(own) for method, own in rows.items()}
    sizes = sorted({size for each in known.values() for at in each.values() for size in at} - {0})
    heads = [*(f"First {size}" for size in sizes), "Whole pool"]
    sheet = Sheet("Selectors on the same pools", ["Method", "Selector"], heads)
    for method, selectors in known.items():
        for selector, at in selectors.items():
            cells = [percent_cell(at[size]) if size in at else "" for size in (*sizes, 0)]
            sheet.rows.append([method, selector, *cells])
        sheet.ends.add(len(sheet.rows) - 1)
    return sheet


def cost_sheet(title: str, rows: Mapping[str, Sequence[Row]], heads: Sequence[str]) -> Sheet:
    """Table of what the searches of each method did and cost.

    Args:
        title: of the table.
        rows: method -> its rows.
        heads: names in `COSTS`.
    """
    sheet = Sheet(title, ["Method"], heads)
    for method, own in rows.items():
        summary = summarise(method, own)
        sheet.rows.append([method, *(COSTS[head](own, summary) for head in heads)])
    return sheet


COSTS: Mapping[str, Callable[[Sequence[Row], Summary], str]] = MappingProxyType(
    {
        "Steps": lambda rows, summary: number_cell(_count(rows, "steps") / max(len(rows), 1), ".1f"),
        "Tokens": lambda rows, summary: number_cell(summary.counted_tokens, ",.0f"),
        "Wasted tokens": lambda rows, summary: number_cell(_wasted(rows, summary), ",.0f"),
        "Wasted": lambda rows, summary: share_cell(_count(rows, "wasted_tokens"), summary.usage.generated_tokens),
        "Cached prompt": lambda rows, summary: share_cell(
            summary.usage.cached_prompt_tokens, summary.usage.prompt_tokens
        ),
        "PRM tokens": lambda rows, summary: number_cell(summary.counted_prm_tokens, ",.0f"),
        "PRM cached": lambda rows, summary: share_cell(summary.usage.cached_prm_tokens, summary.usage.prm_tokens),
        "Seconds p50": lambda rows, summary: number_cell(percentile(measured_seconds(rows), 0.5), ".2f"),
        "Seconds p99": lambda rows, summary: number_cell(percentile(measured_seconds(rows), 0.99), ".2f"),
    }
)
"""Heading -> cell; counts are means per problem."""


def _count(rows: Sequence[Row], name: str) -> int:
    return sum([row.telemetry.get(name, 0) for row in rows])


def _wasted(rows: Sequence[Row], summary: Summary) -> float | None:
    return None if summary.counted_tokens is None else _count(rows, "wasted_tokens") / max(len(rows), 1)


def measured_seconds(rows: Sequence[Row]) -> list[float]:
    """Seconds of the searches that have them; early versions recorded none."""
    return [row.usage.seconds for row in rows if row.usage.seconds]


def mean(values: Sequence[float]) -> float | None:
    """The mean; None of nothing."""
    return sum(values) / len(values) if values else None


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least this share of all does not exceed (nearest rank); None of nothing."""
    rank = ceil(share * len(values) - ROUNDING)
    return sorted(values)[max(rank - 1, 0)] if values else None
