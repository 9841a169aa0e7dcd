"""Where tokens and time went: tokens by the fate of their path, problems in flight, seconds per problem."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tt_scale.bench.reader.run_data import RunData
from tt_scale.report.charts.palette import Style
from tt_scale.report.digest import FATES, Digest
from tt_scale.report.timeline import in_flight, spans_of

__all__ = ["seconds_chart", "timeline_chart", "token_chart", "uncounted", "untimed"]

BAR = 36
"""Height of a bar with the room around it."""

MOST_POINTS = 400
"""Points of a line; a finer one looks the same."""


def uncounted(digests: Mapping[str, Sequence[Digest]]) -> list[str]:
    """Names of the runs that `token_chart` leaves out: their tokens are unknown."""
    return [name for name, own in digests.items() if not _is_counted(own)]


def untimed(runs: Sequence[RunData]) -> list[str]:
    """Names of the runs that the charts over time leave out: their seconds were not recorded."""
    return [run.name for run in runs if not _is_timed(run)]


def _is_counted(digests: Sequence[Digest]) -> bool:
    return any(digest.row.usage.counted_tokens for digest in digests) or not any(
        digest.row.usage.generator_calls for digest in digests
    )


def _is_timed(run: RunData) -> bool:
    return any(row.usage.seconds > 0 for row in run.rows)


def token_chart(digests: Mapping[str, Sequence[Digest]], style: Style) -> dict[str, Any]:
    """Draw generated tokens per problem by the fate of their path, one bar for each run whose tokens are known."""
    digests = {name: own for name, own in digests.items() if _is_counted(own)}
    values = [value for name, own in digests.items() for value in _tokens(name, own)]
    present = [fate for fate in FATES if any(value["tokens"] for value in values if value["fate"] == fate)]
    palette = style.palette
    colours = dict(zip(FATES, (palette.right, palette.wrong, palette.muted, palette.band), strict=True))
    scale = {"domain": present, "range": [colours[fate] for fate in present]}
    shared = {
        "y": {"field": "series", "type": "nominal", "sort": list(digests), "axis": {"title": None, "labelLimit": 260}},
        "x": {
            "field": "tokens",
            "type": "quantitative",
            "stack": "zero",
            "axis": {"title": "generated tokens per problem", "format": "~s", "grid": True, "tickCount": 6},
        },
        "order": {"field": "place", "type": "quantitative"},
    }
    return {
        "data": {"values": values},
        "height": BAR * len(digests),
        "mark": {"type": "bar", "height": 20, "stroke": palette.ink, "strokeWidth": 0.5},
        "encoding": {
            **shared,
            "color": {"field": "fate", "type": "nominal", "sort": list(FATES), "scale": scale},
            "tooltip": [
                {"field": "series", "title": "Method", "type": "nominal"},
                {"field": "fate", "title": "Tokens", "type": "nominal"},
                {"field": "tokens", "title": "Per problem", "type": "quantitative", "format": ",.1f"},
                {"field": "share", "title": "Share", "type": "quantitative", "format": ".1%"},
            ],
        },
    }


def _tokens(name: str, digests: Sequence[Digest]) -> Iterator[dict[str, Any]]:
    totals = {fate: sum([digest.tokens[fate] for digest in digests]) for fate in FATES}
    for place, (fate, tokens) in enumerate(totals.items()):
        share = tokens / max(sum(totals.values()), 1)
        per_problem = tokens / max(len(digests), 1)
        yield {"series": name, "fate": fate, "place": place, "tokens": per_problem, "share": share}


def timeline_chart(runs: Sequence[RunData], style: Style) -> dict[str, Any]:
    """Draw how many problems were searched at once, over time, of the runs whose seconds are known."""
    runs = [run for run in runs if _is_timed(run)]
    values = [value for run in runs for value in _flight(run)]
    scales = style.scales([run.name for run in runs])
    return {
        "data": {"values": values},
        "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 1.5},
        "encoding": {
            "x": {
                "field": "time",
                "type": "quantitative",
                "axis": {"title": "seconds since the run began", "tickCount": 6},
            },
            "y": {"field": "searches", "type": "quantitative", "axis": {"title": "problems in flight", "tickCount": 5}},
            "color": scales["color"],
            "strokeDash": style.dashes([run.name for run in runs]),
        },
    }


def _flight(run: RunData) -> Iterator[dict[str, Any]]:
    points = in_flight(spans_of(run))
    stride = max(len(points) // MOST_POINTS, 1)
    for time, searches in [*points[::stride], *points[-1:]]:
        yield {"series": run.name, "time": round(time, 3), "searches": searches}


def seconds_chart(runs: Sequence[RunData], style: Style) -> dict[str, Any]:
    """Draw the share of problems that were done within so many seconds each, of the runs whose seconds are known."""
    runs = [run for run in runs if _is_timed(run)]
    values = [value for run in runs for value in _done_within(run)]
    names = [run.name for run in runs]
    axis = {"format": ".0%", "tickCount": 5, "title": "problems done"}
    return {
        "data": {"values": values},
        "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 1.5},
        "encoding": {
            "x": {
                "field": "seconds",
                "type": "quantitative",
                "scale": {"type": "log", "nice": False},
                "axis": {"title": "seconds per problem", "tickCount": 6, "format": "~g", "labelOverlap": True},
            },
            "y": {"field": "share", "type": "quantitative", "scale": {"domain": [0, 1]}, "axis": axis},
            "color": style.scales(names)["color"],
            "strokeDash": style.dashes(names),
        },
    }


def _done_within(run: RunData) -> Iterator[dict[str, Any]]:
    seconds = sorted([row.usage.seconds for row in run.rows if row.usage.seconds > 0])
    stride = max(len(seconds) // MOST_POINTS, 1)
    for place in [*range(0, len(seconds), stride), len(seconds) - 1][: len(seconds) + 1]:
        yield {"series": run.name, "seconds": seconds[place], "share": (place + 1) / len(seconds)}
