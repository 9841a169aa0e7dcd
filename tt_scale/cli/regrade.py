"""`tt-scale regrade`: grade and select recorded answers again, beside what was recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tt_scale.bench.run.signals import wait_for
from tt_scale.cli.options import NumberRange
from tt_scale.cli.tables import format_option, table_console, write_tables
from tt_scale.core.aggregate import AGGREGATES
from tt_scale.core.selection import SELECTORS

if TYPE_CHECKING:
    from tt_scale.bench.reader.run_data import RunData
    from tt_scale.bench.replay.regrade import RegradedRun
    from tt_scale.report.console_reporter import ConsoleReporter

__all__ = ["regrade"]


@click.command()
@click.argument("folder", metavar="RUN")
@click.option(
    "--grader",
    metavar="NAME",
    default="math-verify",
    show_default=True,
    help="math-verify (the installed grader), text (equal texts), or your own module:function(gold, answer) -> bool.",
)
@click.option("--agg", type=click.Choice(list(AGGREGATES)), help="Aggregate of step scores that selectors see.")
@click.option("--selector", type=click.Choice(list(SELECTORS)), help="Selector of the answer.")
@click.option("--grade-timeout", type=NumberRange(min=0, min_open=True), help="Seconds of one comparison.")
@click.option("--all", "every", is_flag=True, help="List all searches that changed, with whole answers.")
@format_option
def regrade(
    folder: str,
    grader: str,
    agg: str | None,
    selector: str | None,
    grade_timeout: float | None,
    every: bool,
    form: str | None,
) -> int:
    """Grade and select the answers of a run again, without a model.

    RUN is a folder that bench or compare wrote. New verdicts stand beside the recorded ones, with the searches that
    changed. Nothing is written: the records stay as they are.
    """
    from tt_scale.bench.reader.run_data import read_run
    from tt_scale.report.console_reporter import ConsoleReporter
    from tt_scale.report.regrade import regrade_sentences, regrade_sheets
    from tt_scale.report.tables import drawn

    console = table_console(form)
    run = read_run(folder)
    seconds = grade_timeout or float(run.manifest["config"].get("grade_timeout", 5.0))
    found = wait_for(_regraded(run, grader, agg, selector, seconds, ConsoleReporter(console)))
    sheets = regrade_sheets(found, every=every)
    for sheet in sheets:
        console.print(drawn(sheet))
    for sentence in regrade_sentences(found, every=every):
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)
    write_tables(sheets, form)
    return 0


async def _regraded(
    run: RunData, name: str, agg: str | None, selector: str | None, seconds: float, report: ConsoleReporter
) -> RegradedRun:
    from tt_scale.bench.replay.regrade import Regrading
    from tt_scale.bench.replay.regrade import regrade as graded_again
    from tt_scale.bench.run.events import RunCounter, RunProgress
    from tt_scale.grading import Grader
    from tt_scale.grading.choice import grader_named

    with Grader(seconds=seconds) as grader:
        rules = Regrading(grader_named(name, grader), agg, selector)
        with RunCounter(report, RunProgress(f"regrade of {run.folder.name}", len(run.rows))) as counter:
            return await graded_again(run, rules, lambda row: counter.one_more())
