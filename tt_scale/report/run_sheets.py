"""The tables of runs side by side, for the terminal, the page and every format."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

from tt_scale.bench.reader.search_record import Row
from tt_scale.bench.record import CALL_SECONDS
from tt_scale.bench.stats.comparison import Entry, frontier
from tt_scale.bench.stats.metrics import Summary, summarise
from tt_scale.bench.stats.pairs import Pair
from tt_scale.core.aggregate import AGGREGATES
from tt_scale.report.backtracking import backtracking_sheet
from tt_scale.report.cells import (
    BY_SOURCE,
    count_cell,
    interval_cell,
    number_cell,
    p_value_cell,
    percent_cell,
    ratio_cell,
)
from tt_scale.report.digest import SCORING_SELECTORS
from tt_scale.report.method_tables import cost_sheet, mean, measured_seconds, selector_sheet
from tt_scale.report.side_by_side import SideBySide
from tt_scale.report.tables import Sheet, difference_cells

__all__ = ["SHEETS", "sheets_of"]

COST_HEADS = (
    *("Steps", "Tokens", "Wasted", "Cached prompt", "PRM tokens", "PRM cached"),
    *("Seconds p50", "Seconds p99"),
)

CAVEATS: Mapping[str, Callable[[Sequence[Row]], int]] = MappingProxyType(
    {
        "No answer": lambda rows: sum([row.grade == "no_answer" and not row.error for row in rows]),
        "Ungraded": lambda rows: sum([row.grade == "ungraded" for row in rows]),
        "Failed": lambda rows: sum([bool(row.error) for row in rows]),
        "Truncated paths": lambda rows: sum([row.telemetry.get("truncated", 0) for row in rows]),
        "Cut paths": lambda rows: sum([row.telemetry.get("cut", 0) for row in rows]),
    }
)
"""Counts that stand beside an accuracy wherever one of them is not zero."""


def overall_sheet(found: SideBySide) -> Sheet:
    """Accuracy, its interval and what it cost, one line for each method and budget."""
    entries = found.comparison.entries
    budgets = any(entry.budget is not None for entry in entries)
    told = {name: [count(entry.rows) for entry in entries] for name, count in CAVEATS.items()}
    told = {name: counts for name, counts in told.items() if any(counts)}
    judged = any(entry.summary.by_source is not None for entry in entries)
    heads = ["Accuracy", "95 %", *[BY_SOURCE] * judged, "Tokens", "PRM tokens", "Seconds", "Searches", *told]
    best = {id(entry) for entry in frontier(entries)}
    sheet = Sheet("Overall", ["Method", *["Budget"] * budgets, "Pareto"], heads)
    for place, entry in enumerate(entries):
        budget = ["-" if entry.budget is None else str(entry.budget)] * budgets
        words = [entry.label, *budget, "yes" if id(entry) in best else ""]
        caveats = [count_cell(counts[place]) for counts in told.values()]
        source = [percent_cell(entry.summary.by_source)] * judged
        sheet.rows.append([*words, *_accuracy(entry.summary), *source, *_costs(entry), *caveats])
    return sheet


def _accuracy(summary: Summary) -> list[str]:
    return [percent_cell(summary.accuracy), interval_cell(summary.low, summary.high)]


def _costs(entry: Entry) -> list[str]:
    return [
        number_cell(entry.summary.counted_tokens, ",.0f"),
        number_cell(entry.summary.counted_prm_tokens, ",.0f"),
        number_cell(entry.seconds, ".2f"),
        count_cell(len(entry.rows)),
    ]


def level_sheet(found: SideBySide) -> Sheet:
    """Accuracy by the level of the problem."""
    return _grouped_sheet(found, "By level", "Level", lambda row: None if row.level is None else f"{row.level:2d}")


def subject_sheet(found: SideBySide) -> Sheet:
    """Accuracy by the subject of the problem."""
    known = {problem.id: problem.subject for problem in found.problems}
    return _grouped_sheet(found, "By subject", "Subject", lambda row: known.get(row.id))


def _grouped_sheet(found: SideBySide, title: str, head: str, group: Callable[[Row], str | None]) -> Sheet:
    sheet = Sheet(title, [head, "Method"], ["Accuracy", "95 %", "Tokens", "Searches"])
    names = {group(row) for rows in found.rows.values() for row in rows} - {None}
    for name in sorted(map(str, names)):
        for entry in found.comparison.entries:
            rows = [row for row in entry.rows if group(row) == name]
            summary = summarise(name, rows)
            if rows:
                tokens = number_cell(summary.counted_tokens, ",.0f")
                cells = [*_accuracy(summary), tokens, count_cell(len(rows))]
                sheet.rows.append([name.strip(), entry.name, *cells])
        sheet.ends.add(len(sheet.rows) - 1)
    return sheet


def pair_sheet(found: SideBySide) -> Sheet:
    """Every two methods on the problems that both searched."""
    sheet = Sheet("Paired differences", ["Method", "against"], ["Points", "95 %", "p (Holm)", "p alone", "Tokens"])
    for budget, pairs in found.comparison.pairs.items():
        for pair in pairs:
            names = [name if budget is None else f"{name} at budget {budget}" for name in (pair.first, pair.second)]
            sheet.rows.append([*names, *_difference(pair)])
    return sheet


def _difference(pair: Pair) -> list[str]:
    return [*difference_cells(pair), p_value_cell(pair.raw_p_value), ratio_cell(pair.tokens)]


def aggregate_sheet(found: SideBySide) -> Sheet:
    """Accuracy by the aggregate of step scores that an answer is selected by, over the same pools."""
    sheet = Sheet("Aggregates on the same pools", ["Method", "Selector"], list(AGGREGATES))
    for name, digests in found.scored.items():
        votes = [digest.votes for digest in digests]
        for selector in SCORING_SELECTORS:
            rights = [sum([vote.get((agg, selector), False) for vote in votes]) for agg in AGGREGATES]
            cells = [percent_cell(right / max(len(votes), 1)) for right in rights]
            sheet.rows.append([name, selector, *cells])
        sheet.ends.add(len(sheet.rows) - 1)
    return sheet


def seconds_sheet(found: SideBySide) -> Sheet:
    """Mean seconds of a search and of its calls; without rows where no record has those of the calls."""
    sheet = Sheet("Seconds per problem", ["Method"], ["Search", "in generator", "in PRM", "Grading"])
    for name, rows in found.rows.items():
        calls = [[getattr(row, call) for row in rows if getattr(row, call) is not None] for call in CALL_SECONDS]
        if any(calls):
            means = map(mean, [measured_seconds(rows), *calls])
            sheet.rows.append([name, *(number_cell(seconds, ".2f") for seconds in means)])
    return sheet


SHEETS: Mapping[str, Callable[[SideBySide], Sheet]] = MappingProxyType(
    {
        "overall": overall_sheet,
        "levels": level_sheet,
        "subjects": subject_sheet,
        "pairs": pair_sheet,
        "selectors": lambda found: selector_sheet(found.rows),
        "aggregates": aggregate_sheet,
        "cost": lambda found: cost_sheet("Cost per problem", found.rows, COST_HEADS),
        "seconds": seconds_sheet,
        "backtracking": lambda found: backtracking_sheet(found.rows),
    }
)
"""Every table of runs, by name."""


def sheets_of(found: SideBySide, names: Sequence[str]) -> Iterator[Sheet]:
    """Make some tables, without those that have no rows."""
    for name in names:
        sheet = SHEETS[name](found)
        if sheet.rows:
            yield sheet
