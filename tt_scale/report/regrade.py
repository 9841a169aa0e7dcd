"""Tables of a run that was graded again: both verdicts side by side, and the searches that changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tt_scale.bench.record import Row
from tt_scale.bench.replay.regrade import Regraded, RegradedRun
from tt_scale.bench.stats.metrics import selector_accuracy, summarise
from tt_scale.bench.stats.pairs import paired_differences
from tt_scale.core.printable import excerpt
from tt_scale.report.cells import count_cell, interval_cell, percent_cell
from tt_scale.report.tables import Sheet, difference_cells

__all__ = ["regrade_sheets", "regrade_sentences"]

MOST_CHANGED = 20
LONGEST_ANSWER = 60
THEN, NOW = "as recorded", "graded again"


def regrade_sheets(found: RegradedRun, *, every: bool = False) -> list[Sheet]:
    """Both accuracies and their paired difference, every selector, and what changed.

    Args:
        found: a run with at least one search.
        every: list all searches that changed, not only the first, with their whole answers.
    """
    rows = {THEN: [each.old for each in found.searches], NOW: [each.new for each in found.searches]}
    sheets = [_verdict_sheet(found, rows), _pair_sheet(rows), _selector_sheet(rows), _changed_sheet(found, every)]
    return [sheet for sheet in sheets if sheet.rows]


def _verdict_sheet(found: RegradedRun, rows: dict[str, list[Row]]) -> Sheet:
    heads = ["Accuracy", "95 %", "Correct", "No answer", "Ungraded", "Failed", "Searches"]
    sheet = Sheet(f"{found.run.folder.name}: verdicts", [""], heads)
    for name, own in rows.items():
        summary = summarise(name, own)
        counts = (summary.correct, summary.no_answer, summary.ungraded, summary.errors, summary.samples)
        cells = [percent_cell(summary.accuracy), interval_cell(summary.low, summary.high)]
        sheet.rows.append([name, *cells, *map(count_cell, counts)])
    return sheet


def _pair_sheet(rows: dict[str, list[Row]]) -> Sheet:
    sheet = Sheet("Paired difference", ["", "against"], ["Points", "95 %", "p"])
    for pair in paired_differences({NOW: rows[NOW], THEN: rows[THEN]}):
        sheet.rows.append([pair.first, pair.second, *difference_cells(pair)])
    return sheet


def _selector_sheet(rows: dict[str, list[Row]]) -> Sheet:
    """Accuracy of every selector over whole pools, then and now."""
    sheet = Sheet("Selectors over whole pools", ["Selector"], [THEN, NOW])
    known = [selector_accuracy(own) for own in rows.values()]
    for selector in known[0]:
        sheet.rows.append([selector, *[percent_cell(each.get(selector, {}).get(0)) for each in known]])
    return sheet


def _changed_sheet(found: RegradedRun, every: bool) -> Sheet:
    heads = ["Problem", "Repeat", "Gold", "Answer then", "Verdict then", "Answer now", "Verdict now"]
    sheet = Sheet("Searches that changed", heads, [])
    shown = found.changed if every else found.changed[:MOST_CHANGED]
    sheet.rows += [_changed_cells(each, every) for each in shown]
    return sheet


def _changed_cells(each: Regraded, every: bool) -> Sequence[str]:
    texts = (each.old.gold, each.old.answer or "-", each.new.answer or "-")
    gold, then, now = texts if every else [excerpt(text, LONGEST_ANSWER) for text in texts]
    return [each.old.id, str(each.old.repeat), gold, then, each.old.grade, now, each.new.grade]


def regrade_sentences(found: RegradedRun, *, every: bool = False) -> Iterator[str]:
    """What a reader of the tables must know."""
    run, rules = found.run, found.rules
    yield (
        f"Graded by {run.experiment.get('grader', 'unknown')} then, by {rules.grader.name} now; selector "
        f"{rules.selector or 'as recorded'}, aggregate of step scores {rules.agg or 'as recorded'}. The records are "
        "unchanged."
    )
    changed = len(found.changed)
    more = f"; --all lists all of them, with whole answers ({MOST_CHANGED} are shown)" if changed > MOST_CHANGED else ""
    yield f"{changed:,} of {len(found.searches):,} searches changed{'' if every else more}."
    if run.partial:
        yield f"The run is not finished: {len(run.rows):,} of {run.wanted:,} searches are recorded."
    for line in run.damaged:
        yield f"Line {line.number} of its journal is damaged ({line.reason}) and left out."
    if found.unread:
        yield f"{found.unread:,} searches have a damaged tree and are left out."
