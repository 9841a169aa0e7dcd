"""`tt-scale prm-eval` and `tt-scale calibrate`: measure a PRM on labelled solutions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

import click

from tt_scale.cli.configs import only, quiet_keys, resumable
from tt_scale.cli.options import GroupedCommand, NumberRange, flags_of
from tt_scale.cli.tables import format_option, table_console, write_tables
from tt_scale.config import Config
from tt_scale.prm_eval.keys import evaluation_keys

if TYPE_CHECKING:
    from tt_scale.bench.run.events import Reporter
    from tt_scale.prm_eval.measured import Measured

__all__ = ["calibrate", "prm_eval"]

_SETS = (
    "Sets: processbench-gsm8k, processbench-math; pocket-math, whose solutions a generator samples and an exact "
    "checker labels; a file of labelled solutions or a replay (.jsonl); any other problem set, sampled and labelled by "
    "outcome."
)


def _evaluation(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the argument and the options of both commands."""
    plot = click.option("--plot", metavar="FILE", help="Draw the reliability curve to a file: .svg, .png or .pdf.")
    prm = click.argument("prm_name", metavar="PRM")
    return prm(plot(format_option(flags_of(evaluation_keys())(command))))


@click.command(cls=GroupedCommand, name="prm-eval", epilog=_SETS)
@_evaluation
@click.option(
    "--threshold",
    metavar="NUMBER|SET",
    help="Threshold of the first wrong step, or one of the sets, on which it is chosen. Unset: chosen on half of the "
    "questions.",
)
def prm_eval(config_file: str | None, plot: str | None, form: str | None, threshold: str | None, **values: Any) -> int:
    """Measure a PRM on labelled solutions.

    PRM is a hub name, a folder, pocket-prm, judge, simulated, or `recorded` for the scores in a replay. Prints the
    area under the ROC curve of the steps, F1 of the first wrong step, calibration, and the gain of best-of-N, with 95 %
    intervals over questions. Give --dataset several times to measure on several sets. The same command resumes an
    interrupted evaluation.
    """
    config = only(config_file, values, "prm-eval")
    return _evaluate(config, plot, form, threshold=threshold, quiet=quiet_keys(config_file, values))


@click.command(cls=GroupedCommand, epilog=_SETS)
@_evaluation
@click.option(
    "--pass-rate",
    "pass_rates",
    type=NumberRange(0, 1, min_open=True),
    multiple=True,
    default=(0.5,),
    metavar="SHARE",
    help="Target share of steps that pass, above 0, at most 1. [0.5] Repeatable.",
)
def calibrate(
    config_file: str | None, plot: str | None, form: str | None, pass_rates: Sequence[float], **values: Any
) -> int:
    """Find the tau of a PRM for a target pass rate.

    Scores labelled solutions, or solutions that the run's own generator samples, and prints the --tau at which the
    target share of steps passes, for first steps and for all steps.
    """
    config = only(config_file, values, "calibrate")
    return _evaluate(config, plot, form, pass_rates=pass_rates, quiet=quiet_keys(config_file, values))


def _evaluate(
    config: Config,
    plot: str | None,
    form: str | None,
    *,
    threshold: str | None = None,
    pass_rates: Sequence[float] | None = None,
    quiet: Collection[str] = (),
) -> int:
    """Evaluate, print, plot; status 1 if no solution could be scored. `pass_rates` is None for `prm-eval`."""
    from tt_scale.report.charts.render import check_chart
    from tt_scale.report.console_reporter import ConsoleReporter
    from tt_scale.report.evaluation import evaluation_sheets, print_evaluation, print_taus
    from tt_scale.report.plots import plot_reliability

    if plot is not None:
        check_chart(plot, "--plot")
    console = table_console(form)
    report = ConsoleReporter(console)
    measured, folders = resumable(_evaluated(config, threshold, pass_rates is None, report, quiet))
    for each in measured:
        print_evaluation(each, console)
        if pass_rates is not None:
            print_taus(each, pass_rates, console)
    for folder in folders:
        console.print(f"Records: {folder}", markup=False, highlight=False, soft_wrap=True)
    if plot is not None:
        plot_reliability(measured, plot)
        console.print(f"Plot: {plot}", markup=False, highlight=False, soft_wrap=True)
    write_tables([sheet for each in measured for sheet in evaluation_sheets(each, pass_rates)], form)
    if any(row.scores for each in measured for row in each.rows):
        return 0
    click.echo("tt-scale: nothing was scored; see the remarks above.", err=True)
    return 1


async def _evaluated(
    config: Config, threshold: str | None, whole: bool, report: Reporter, quiet: Collection[str]
) -> tuple[list[Measured], list[FilePath]]:
    from tt_scale.grading import Grader
    from tt_scale.prm_eval.measured import checked_threshold, measure
    from tt_scale.prm_eval.session import plan_sets, run_plans

    with Grader(seconds=config.grade_timeout) as grader:
        plans = plan_sets(config, grader, report, quiet)
        chosen = checked_threshold(threshold, plans)
        await run_plans(plans, grader, report)
        measured = await measure(plans, grader, chosen, whole=whole)
    return measured, [plan.scores.folder for plan in plans]
