"""The closing tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tt_scale.bench.record import Row
from tt_scale.bench.stats.metrics import Summary, by_level, selector_accuracy, summarise
from tt_scale.bench.stats.pairs import paired_differences, with_majority
from tt_scale.report.comparison_tables import difference_cells

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["cost_table", "level_table", "pair_table", "plain_table", "remarks", "selector_table"]


def level_table(title: str, rows: Mapping[str, Sequence[Row]]) -> Table:
    """Rows Overall and each level; columns algorithm, accuracy with its interval, average tokens, samples.

    Args:
        title: the problem set.
        rows: method -> its rows.
    """
    table = plain_table(title, ["Level", "Algorithm"], ["Accuracy", "95 % interval", "Avg tokens", "Samples"])
    levels: dict[str, list[tuple[str, Summary]]] = {}
    for method, found in with_majority(rows).items():
        for summary in by_level(found):
            levels.setdefault(summary.name, []).append((method, summary))
    for level in sorted(levels, key=lambda name: (name != "Overall", name)):
        for place, (method, summary) in enumerate(levels[level]):
            table.add_row(
                level if place == 0 else "",
                method,
                f"{summary.accuracy:.1%}",
                f"{summary.low:.1%} - {summary.high:.1%}",
                f"{summary.tokens:,.0f}",
                str(summary.samples),
                end_section=place == len(levels[level]) - 1,
            )
    return table


def pair_table(rows: Mapping[str, Sequence[Row]]) -> Table | None:
    """For each pair of methods the difference in accuracy over the same problems; None where there is no pair."""
    pairs = paired_differences(with_majority(rows))
    if not pairs:
        return None
    table = plain_table(
        f"Paired differences over {max(pair.problems for pair in pairs):,} problems",
        ["Algorithm", "against"],
        ["Accuracy", "95 % interval", "p (Holm)", "Tokens"],
    )
    for place, pair in enumerate(pairs):
        difference, interval, p_value = difference_cells(pair)
        last = place == len(pairs) - 1 or pairs[place + 1].first != pair.first
        table.add_row(
            pair.first if not place or pairs[place - 1].first != pair.first else "",
            pair.second,
            f"{difference} pp",
            interval,
            p_value,
            f"x {pair.tokens:.2f}",
            end_section=last,
        )
    return table


def selector_table(rows: Mapping[str, Sequence[Row]]) -> Table:
    """Accuracy of every selector on the same pools, by how much of the pool it saw."""
    accuracies = {method: selector_accuracy(found) for method, found in rows.items()}
    sizes = sorted({size for each in accuracies.values() for at in each.values() for size in at} - {0})
    columns = [*(f"first {size}" for size in sizes), "whole pool"]
    table = plain_table("Selectors on the same pools", ["Algorithm", "Selector"], columns)
    for method, selectors in accuracies.items():
        for place, (selector, at) in enumerate(selectors.items()):
            cells = [f"{at[size]:.1%}" if size in at else "" for size in (*sizes, 0)]
            table.add_row(method if place == 0 else "", selector, *cells, end_section=place == len(selectors) - 1)
    return table


def cost_table(rows: Mapping[str, Sequence[Row]]) -> Table:
    """What the searches did and cost, on average per problem."""
    table = plain_table(
        "Per problem",
        ["Algorithm"],
        [
            "Steps",
            "Wasted tokens",
            "Cached prompt",
            "PRM tokens",
            "PRM cached",
        ],
    )
    for method, found in rows.items():
        count = max(len(found), 1)
        usage = summarise("Overall", found).usage
        steps, wasted = (sum([row.telemetry.get(key, 0) for row in found]) for key in ("steps", "wasted_tokens"))
        table.add_row(
            method,
            f"{steps / count:.1f}",
            f"{wasted / count:,.0f}",
            _share(usage.cached_prompt_tokens, usage.prompt_tokens),
            f"{usage.prm_tokens / count:,.0f}",
            _share(usage.cached_prm_tokens, usage.prm_tokens),
        )
    return table


def remarks(rows: Mapping[str, Sequence[Row]]) -> list[str]:
    """Sentences about what a reader must know before believing the table."""
    told = []
    for method, found in rows.items():
        summary = summarise("Overall", found)
        truncated = sum([row.telemetry.get("truncated", 0) for row in found])
        unreadable = sum([row.telemetry.get("unreadable", 0) for row in found])
        cut, forced = (sum([row.telemetry.get(key, 0) for row in found]) for key in ("cut", "forced"))
        spent = sum([row.stopped == "budget" for row in found])
        for count, what in (
            (summary.no_answer, "problems without an answer"),
            (summary.ungraded, "answers that could not be graded, counted as not correct"),
            (spent, "searches that reached their budget"),
            (cut, "answers of paths that a limit cut after they had stated them"),
            (forced, "answers that were asked for as a last resort"),
            (truncated, "truncated paths, which never vote"),
            (unreadable, "paths longer than the PRM can read, which neither grow nor vote"),
            (summary.errors, "problems that failed, counted as not correct (--retry-failed runs them again)"),
        ):
            if count:
                told.append(f"{method}: {what}: {count}.")
        first = next((row for row in found if row.error), None)
        if first:
            told.append(f"{method}: the first failure, {first.id}: {first.error}")
    return told


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "-"


def plain_table(title: str, words: Sequence[str], numbers: Sequence[str]) -> Table:
    """Make an empty table in the style of all closing tables: columns of words, then of numbers on the right."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    for word in words:
        table.add_column(word)
    for number in numbers:
        table.add_column(number, justify="right")
    return table
