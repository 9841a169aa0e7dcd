"""Report of a sweep: the ranking, the test on held-out problems, and the file of the best recipe."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path as FilePath
from typing import TYPE_CHECKING

from tt_scale.bench.compare.grid import DEFAULT
from tt_scale.bench.compare.sweep import ALLOWANCE, Sweep, recipe_keys
from tt_scale.bench.compare.variants import Variant
from tt_scale.bench.stats.comparison import Entry
from tt_scale.bench.stats.intervals import LEVEL
from tt_scale.bench.stats.verdict import significance
from tt_scale.config import digest
from tt_scale.core.atomic_file import replacing
from tt_scale.errors import JournalError
from tt_scale.report.cells import interval_cell, number_cell, percent_cell, points, tokens_text
from tt_scale.report.tables import Sheet, difference_cells, drawn

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["check_recipe", "print_sweep", "sweep_sheets", "write_recipe"]

MOST_ROWS = 20
"""Recipes of a table in the terminal."""


def check_recipe(path: FilePath, recipes: Sequence[Variant]) -> None:
    """Check before a run that its recipe can be written.

    Raises:
        JournalError: the file exists and was not written by this sweep; it is left unchanged.
    """
    try:
        first = path.read_text(encoding="utf-8").split("\n", 1)[0] if os.path.exists(path) else _mark(recipes)
    except (OSError, UnicodeDecodeError):
        first = ""
    if first != _mark(recipes):
        raise JournalError(
            f"{str(path)!r} was not written by this sweep. Nothing was changed.",
            "Give another --recipe or --run-tag, or move the file.",
        )


def write_recipe(path: FilePath, recipes: Sequence[Variant], sweep: Sweep) -> None:
    """Write the best recipe as a YAML configuration for `bench`.

    Raises:
        JournalError: the file cannot be written.
    """
    import yaml

    notes = [f"# {line}" for line in conclusions(sweep)]
    keys = yaml.safe_dump(recipe_keys(sweep.winner.config), sort_keys=False, allow_unicode=True)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write("\n".join([_mark(recipes), *notes, keys]))
    except OSError as error:
        raise JournalError(f"The recipe {str(path)!r} cannot be written: {error.strerror or error}.") from None


def _mark(recipes: Sequence[Variant]) -> str:
    whole = {each.label: each.config.experiment() for each in recipes}
    return f"# Written by tt-scale sweep {digest(whole)}"


def print_sweep(sweep: Sweep, method: str, console: Console) -> None:
    """Print the ranking, its rule, and the result on the held-out problems."""
    for sheet in sweep_sheets(sweep, method, MOST_ROWS):
        console.print()
        console.print(drawn(sheet, console.width))
    console.print(
        f"Ranked by accuracy among recipes that generate at most {ALLOWANCE:.2f} x the tokens of the default. p: "
        "against the default on the same problems, corrected for the number of recipes. The first was selected by its "
        "accuracy here, which is therefore biased upwards.",
        style="dim",
        highlight=False,
    )
    for line in sweep.footer:
        console.print(line, style="dim", markup=False, highlight=False)
    console.print()
    console.print("Verdict", style="bold")
    for line in conclusions(sweep):
        console.print(f"- {line}", markup=False, highlight=False)


def sweep_sheets(sweep: Sweep, method: str, most: int | None = None) -> list[Sheet]:
    """The ranking, and the recipes that are not ranked, if there are any.

    Args:
        sweep: a finished sweep.
        method: whose knobs it varied.
        most: rows of a table; None for all.
    """
    count = len(sweep.ranking[0].rows)
    title = f"{sweep.dataset}: {method}, {count:,} searches each"
    sheets = [_cut(_sheet(title, sweep.ranking, sweep, 1), most)]
    if sweep.over_allowance:
        over = _sheet("More expensive than the default, not ranked", sweep.over_allowance, sweep, None)
        sheets.append(_cut(over, most))
    return sheets


def _cut(sheet: Sheet, most: int | None) -> Sheet:
    if most is None or len(sheet.rows) <= most:
        return sheet
    rest = ["", f"and {len(sheet.rows) - most} more", *[""] * len(sheet.numbers)]
    return replace(sheet, rows=[*sheet.rows[:most], rest])


def conclusions(sweep: Sweep) -> list[str]:
    """Conclusions of a sweep, in sentences."""
    best = sweep.ranking[0]
    if best.label == DEFAULT:
        return [f"No recipe beats the default ({_figures(best)}) at equal tokens; keep it."]
    lines = [f"Best at equal tokens: {best.label} ({_figures(best)})."]
    pair = sweep.held_pair
    if sweep.held is None or pair is None:
        return [
            *lines,
            "No problems were held out, so it is not shown to be better than the default on other problems.",
        ]
    winner, default = sweep.held
    spread = f"{points(pair.difference)} points, {points(pair.low)} to {points(pair.high)}"
    lines.append(
        f"On {sweep.held_problems:,} held-out problems: {winner.accuracy:.1%} with "
        f"{tokens_text(winner.summary.counted_tokens)}, the default {default.accuracy:.1%} with "
        f"{number_cell(default.summary.counted_tokens, ',.0f')} ({spread}, {significance(pair.p_value)})."
    )
    if pair.p_value >= LEVEL:
        lines.append("It is not shown to be better than the default.")
    elif pair.difference > 0:
        lines.append("It is better than the default.")
    else:
        lines.append("It is worse than the default there; keep the default.")
    return lines


def _figures(entry: Entry) -> str:
    return f"{entry.accuracy:.1%}, {tokens_text(entry.summary.counted_tokens)}"


def _sheet(title: str, entries: Sequence[Entry], sweep: Sweep, first: int | None) -> Sheet:
    numbers = ["Accuracy", "95 %", "Tokens", "Points", "95 %", "p (Holm)"]
    sheet = Sheet(title, ["", "Recipe"], numbers)
    for index, entry in enumerate(entries):
        pair = sweep.differences.get(entry.label)
        summary = entry.summary
        sheet.rows.append(
            [
                "" if first is None else str(index + first),
                entry.label,
                percent_cell(entry.accuracy),
                interval_cell(summary.low, summary.high, "-"),
                number_cell(entry.summary.counted_tokens, ",.0f"),
                *(["", "", ""] if pair is None else difference_cells(pair)),
            ]
        )
    return sheet
