"""`tt-scale replay`: search runs again from their records, without a model, and compare."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tt_scale.bench.run.signals import wait_for
from tt_scale.errors import JournalError

if TYPE_CHECKING:
    from tt_scale.bench.reader.run_data import RunData
    from tt_scale.bench.replay.replay_run import RunReplay
    from tt_scale.report.console_reporter import ConsoleReporter

__all__ = ["replay"]


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True)
def replay(runs: tuple[str, ...]) -> int:
    """Confirm runs: search again from their records alone, with no model.

    RUN is a folder that bench or compare wrote, or a folder of such folders. Every search is run again on the recorded
    outputs of generator, PRM and clock; tree, pool, answer, grade, token counts, detail.csv and summary.csv must come
    out the same. The exit status is 1 if anything differs; the problem and the node are named.
    """
    from tt_scale.bench.reader.opened_runs import open_runs
    from tt_scale.report.console_reporter import ConsoleReporter
    from tt_scale.report.replay import print_replay
    from tt_scale.report.terminal import Terminal

    console = Terminal(fixed=True)
    report = ConsoleReporter(console)
    opened = open_runs(runs)
    unread = [*opened.unread]
    confirmed = True
    for run in opened.runs:
        try:
            found = wait_for(_replayed(run, report))
        except JournalError as error:
            if len(opened.runs) + len(opened.unread) == 1:
                raise
            unread.append(error)
            continue
        print_replay(found, console)
        confirmed = confirmed and found.confirmed
    for fault in unread:
        console.print(f"Not run again: {fault}", markup=False, highlight=False, soft_wrap=True)
    return 0 if confirmed and not unread else 1


async def _replayed(run: RunData, report: ConsoleReporter) -> RunReplay:
    from tt_scale.bench.replay.replay_run import replay_run
    from tt_scale.bench.run.events import RunCounter, RunProgress

    with RunCounter(report, RunProgress(f"replay of {run.folder.name}", len(run.rows))) as counter:
        return await replay_run(run, lambda row: counter.one_more())
