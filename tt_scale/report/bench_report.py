"""Final report of `tt-scale bench`: tables and remarks for each problem set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tt_scale.bench.record import Row
from tt_scale.bench.run.open_models import model_names
from tt_scale.bench.run.origin import computed_by
from tt_scale.bench.run.session import Plan, aggregate_footer, rows_by_set
from tt_scale.bench.stats.metrics import Summary, by_level, summarise
from tt_scale.bench.stats.pairs import Pair, paired_differences, with_majority
from tt_scale.report.backtracking import backtracking_remarks, backtracking_sheet
from tt_scale.report.cells import BY_SOURCE, interval_cell, number_cell, percent_cell, ratio_cell
from tt_scale.report.formats import unrepeated
from tt_scale.report.method_tables import cost_sheet, selector_sheet
from tt_scale.report.tables import Sheet, difference_cells, drawn, sheets_of_sets

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["COST_HEADS", "bench_sheets", "level_sheet", "pair_sheet", "print_bench", "remarks"]

COST_HEADS = ("Steps", "Wasted tokens", "Cached prompt", "PRM tokens", "PRM cached")


def print_bench(plans: Sequence[Plan], console: Console) -> None:
    """Print the tables and remarks of finished runs, and the folders of their records."""
    first = plans[0].config
    for dataset, rows in rows_by_set(plans).items():
        console.print()
        for sheet in closing_sheets(f"{dataset}: {model_names(first)}", rows):
            console.print(drawn(unrepeated(sheet)))
        own = [plan for plan in plans if plan.dataset == dataset]
        measured = {plan.config.method: plan.journal.first_steps for plan in own}
        footer = aggregate_footer([plan.config for plan in plans]) + computed_by([plan.journal.origin for plan in own])
        for remark in [*footer, *backtracking_remarks(rows, measured), *remarks(rows)]:
            console.print(remark, markup=False, highlight=False)
    for plan in plans:
        console.print(f"Records: {plan.journal.folder}", markup=False, highlight=False, soft_wrap=True)


def bench_sheets(plans: Sequence[Plan]) -> list[Sheet]:
    """All tables of finished runs, for every problem set."""
    models = model_names(plans[0].config)
    sets = {name: closing_sheets(f"{name}: {models}", rows) for name, rows in rows_by_set(plans).items()}
    return sheets_of_sets(sets)


def closing_sheets(title: str, rows: Mapping[str, Sequence[Row]]) -> list[Sheet]:
    """All tables of one problem set that apply.

    Args:
        title: title of the first table: problem set and models.
        rows: method -> its rows.
    """
    sheets = [
        level_sheet(title, rows),
        pair_sheet(rows),
        selector_sheet(rows),
        cost_sheet("Per problem", rows, COST_HEADS),
    ]
    last = backtracking_sheet(rows)
    return [sheet for sheet in [*sheets, last if last.rows else None] if sheet is not None]


def level_sheet(title: str, rows: Mapping[str, Sequence[Row]]) -> Sheet:
    """Table of accuracy with its interval, average tokens and samples, overall and by level."""
    levels: dict[str, list[tuple[str, Summary]]] = {}
    for method, its_rows in with_majority(rows).items():
        for summary in by_level(its_rows):
            levels.setdefault(summary.name, []).append((method, summary))
    judged = any(summary.by_source is not None for each in levels.values() for _, summary in each)
    heads = ["Accuracy", "95 % interval", *[BY_SOURCE] * judged, "Avg tokens", "Samples"]
    sheet = Sheet(title, ["Level", "Method"], heads)
    for level in sorted(levels, key=lambda name: (name != "Overall", name)):
        sheet.add_group([[level, method, *_level_cells(summary, judged)] for method, summary in levels[level]])
    return sheet


def _level_cells(summary: Summary, judged: bool) -> list[str]:
    return [
        percent_cell(summary.accuracy),
        interval_cell(summary.low, summary.high, " - ", "%"),
        *[percent_cell(summary.by_source)] * judged,
        number_cell(summary.counted_tokens, ",.0f"),
        number_cell(summary.samples, "d"),
    ]


def pair_sheet(rows: Mapping[str, Sequence[Row]]) -> Sheet | None:
    """Table of paired differences in accuracy on the same problems; None with fewer than two methods."""
    pairs = paired_differences(with_majority(rows))
    if not pairs:
        return None
    title = f"Paired differences over {max([pair.problems for pair in pairs]):,} problems"
    sheet = Sheet(title, ["Method", "against"], ["Accuracy", "95 % interval", "p (Holm)", "Tokens"])
    for first in dict.fromkeys([pair.first for pair in pairs]):
        sheet.add_group([_pair_cells(pair) for pair in pairs if pair.first == first])
    return sheet


def _pair_cells(pair: Pair) -> list[str]:
    return [pair.first, pair.second, *difference_cells(pair, " pp"), ratio_cell(pair.tokens)]


def remarks(rows: Mapping[str, Sequence[Row]]) -> list[str]:
    """Caveats to the tables: missing answers, failures, limits that were reached."""
    sentences = []
    for method, its_rows in rows.items():
        summary = summarise("Overall", its_rows)
        truncated = sum([row.telemetry.get("truncated", 0) for row in its_rows])
        unreadable = sum([row.telemetry.get("unreadable", 0) for row in its_rows])
        cut, forced = (sum([row.telemetry.get(key, 0) for row in its_rows]) for key in ("cut", "forced"))
        spent = sum([row.stopped == "budget" for row in its_rows])
        for count, what in (
            (summary.no_answer, "problems without an answer"),
            (summary.ungraded, "answers that could not be graded, counted as not correct"),
            (spent, "searches that reached their budget"),
            (cut, "answers of paths that a limit cut after they had stated them"),
            (forced, "answers that were asked for as a last resort"),
            (truncated, "truncated paths, which never vote"),
            (unreadable, "paths that exceed the context of the PRM, which are neither expanded nor vote"),
            (summary.errors, "problems that failed, counted as not correct (--retry-failed runs them again)"),
        ):
            if count:
                sentences.append(f"{method}: {what}: {count}.")
        first = next((row for row in its_rows if row.error), None)
        if first:
            sentences.append(f"{method}: the first failure, {first.id}: {first.error}")
    return sentences
