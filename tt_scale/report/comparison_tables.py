"""Tables of a comparison, printed with their legend and verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING

from tt_scale.bench.stats.comparison import Comparison, Entry, against, frontier
from tt_scale.bench.stats.pairs import Pair
from tt_scale.bench.stats.verdict import verdict
from tt_scale.report.cells import BY_SOURCE, count_cell, interval_cell, number_cell, percent_cell, ratio_cell
from tt_scale.report.tables import Sheet, difference_cells, drawn

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["LEGEND", "READ_OFF", "print_comparison", "sheets"]

LEGEND = (
    "Tokens, PRM tokens and seconds are per search. pass@k: unbiased estimate of the probability that at least one of "
    "k finished paths is correct; nine in ten searches of every method have k or more, the others count with all they "
    "have. Pool: finished paths per search. Cut: finished paths that a limit ended after they had stated an answer; "
    "they vote. Truncated: paths per search that a limit ended without an answer; they never vote. None: searches "
    "without an answer. Points: percentage points of accuracy, with the 95 % interval of this one difference; p (Holm) "
    "is corrected for all pairs and may be above .05 where that interval excludes 0."
)
READ_OFF = "Lines without seconds were derived from the pool of a wider run, sample by sample."
DIFFERENCE = ["Points", "95 %", "p (Holm)"]


def sheets(comparison: Comparison, *, all_pairs: bool = False, references: Sequence[str] = ()) -> list[Sheet]:
    """All tables of a comparison: one per budget, the paired differences, the vote, the frontier.

    Args:
        comparison: a comparison of at least one entry.
        all_pairs: list every pair, not only those with the best of each budget.
        references: labels of entries with which all others are also compared, each in a table of its own.
    """
    by_budget = [_budget_sheet(comparison, budget) for budget in comparison.budgets]
    others = (
        _pair_sheet(comparison, all_pairs),
        *(_reference_sheet(comparison, label) for label in references),
        _vote_sheet(comparison),
        _frontier_sheet(comparison),
    )
    return by_budget + [sheet for sheet in others if sheet.rows]


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print all tables, then the verdict."""
    console.print()
    head = f"{comparison.dataset}: {comparison.models}, {comparison.problems:,} problems"
    console.print(head, style="bold", markup=False, highlight=False)
    for sheet in sheets(comparison):
        console.print()
        console.print(drawn(sheet, console.width))
    derived = any(entry.derived for entry in comparison.entries)
    legend = f"{LEGEND} {READ_OFF}" if derived else LEGEND
    for line in (legend, *comparison.footer):
        console.print(line, style="dim", markup=False, highlight=False)
    console.print()
    console.print("Verdict", style="bold")
    for line in verdict(comparison):
        console.print(f"- {line}", markup=False, highlight=False)


def _budget_sheet(comparison: Comparison, budget: int | None) -> Sheet:
    title = "Every method" if budget is None else f"Budget {budget}"
    k = comparison.k_at(budget)
    judged = any(entry.summary.by_source is not None for entry in comparison.at(budget))
    costs = ["Tokens", "PRM", "s", f"pass@{k}", "Pool", "Cut", "Truncated", "None"]
    numbers = ["Accuracy", "95 %", *[BY_SOURCE] * judged, *costs]
    sheet = Sheet(title, ["Method"], numbers)
    for entry in comparison.at(budget):
        summary = entry.summary
        sheet.rows.append(
            [
                entry.label,
                percent_cell(entry.accuracy),
                interval_cell(summary.low, summary.high, "-"),
                *[percent_cell(summary.by_source)] * judged,
                number_cell(summary.counted_tokens, ",.0f"),
                number_cell(summary.counted_prm_tokens, ",.0f"),
                _seconds(entry.seconds),
                percent_cell(entry.pass_at(k)),
                number_cell(entry.pool, ".1f"),
                number_cell(entry.cut, ".1f"),
                number_cell(entry.truncated, ".1f"),
                count_cell(summary.no_answer),
            ]
        )
    return sheet


def _pair_sheet(comparison: Comparison, all_pairs: bool) -> Sheet:
    title = "Paired differences" if all_pairs else "Paired differences: the best of each budget against the others"
    sheet = Sheet(title, ["Budget", "Method", "against"], [*DIFFERENCE, "Tokens"])
    for budget in comparison.budgets:
        pairs = comparison.pairs[budget]
        if not all_pairs:
            best = _best(comparison.at(budget)).label
            pairs = [_seen_from(best, pair) for pair in pairs if best in (pair.first, pair.second)]
        for index, pair in enumerate(pairs):
            repeated = index > 0 and pairs[index - 1].first == pair.first
            names = ["" if index else _written(budget), "" if repeated else pair.first, pair.second]
            sheet.rows.append([*names, *difference_cells(pair), ratio_cell(pair.tokens)])
        sheet.ends.add(len(sheet.rows) - 1)
    return sheet


def _reference_sheet(comparison: Comparison, label: str) -> Sheet:
    sheet = Sheet(f"Against {label} at the same budget", ["Budget", "Method"], [*DIFFERENCE, "Tokens"])
    for budget, pairs in against(comparison, label).items():
        for pair in pairs:
            sheet.rows.append([_written(budget), pair.first, *difference_cells(pair), ratio_cell(pair.tokens)])
        sheet.ends.add(len(sheet.rows) - 1)
    return sheet


def _vote_sheet(comparison: Comparison) -> Sheet:
    sheet = Sheet(
        "Against majority voting at equal tokens", ["Budget", "Method"], ["Tokens", "Accuracy", "Vote", *DIFFERENCE]
    )
    for gap in sorted(comparison.votes, key=lambda gap: gap.entry.budget or 0):
        if gap.pair is None or gap.vote is None:
            continue
        entry = gap.entry
        figures = [number_cell(entry.tokens, ",.0f"), percent_cell(entry.accuracy), percent_cell(gap.vote)]
        sheet.rows.append([_written(entry.budget), entry.label, *figures, *difference_cells(gap.pair)])
    return sheet


def _frontier_sheet(comparison: Comparison) -> Sheet:
    sheet = Sheet("Pareto frontier", ["Budget", "Method"], ["Tokens", "Accuracy", "95 %"])
    for entry in frontier(comparison.entries):
        interval = interval_cell(entry.summary.low, entry.summary.high, "-")
        figures = [number_cell(entry.tokens, ",.0f"), percent_cell(entry.accuracy), interval]
        sheet.rows.append([_written(entry.budget), entry.label, *figures])
    return sheet


def _best(entries: list[Entry]) -> Entry:
    return min(entries, key=lambda entry: (-entry.accuracy, entry.tokens))


def _seen_from(best: str, pair: Pair) -> Pair:
    """The pair with the best method first; the token ratio is infinite if the other generated no tokens."""
    if pair.first == best:
        return pair
    return replace(
        pair,
        first=pair.second,
        second=pair.first,
        difference=-pair.difference,
        low=-pair.high,
        high=-pair.low,
        tokens=1 / pair.tokens if pair.tokens else inf,
    )


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return number_cell(seconds, ".2f" if seconds < 10 else ",.0f")


def _written(budget: int | None) -> str:
    return "-" if budget is None else str(budget)
