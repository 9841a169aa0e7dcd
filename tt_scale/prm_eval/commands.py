"""`tt-scale prm-eval` and `tt-scale calibrate`: measure a PRM on labelled solutions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

import click

from tt_scale.cli.configs import only, quiet_keys, resumable
from tt_scale.cli.options import GroupedCommand, NumberRange, flags_of
from tt_scale.config import Config
from tt_scale.errors import ConfigError
from tt_scale.prm_eval.keys import evaluation_keys

if TYPE_CHECKING:
    from rich.console import Console

    from tt_scale.prm_eval.measured import Measured

__all__ = ["calibrate", "prm_eval"]

_SETS = (
    "Sets: processbench-gsm8k, processbench-math; pocket-math, with sampled solutions that an exact checker labels; a "
    "file of labelled solutions or a replay (.jsonl); any other problem set, with sampled solutions that are labelled "
    "by their final answer."
)


def _evaluation(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the arguments that both commands share."""
    plot = click.option("--plot", metavar="FILE", help="Plot the reliability curve to a file: .svg, .png or .pdf.")
    prm = click.argument("prm_name", metavar="PRM")
    return prm(plot(flags_of(evaluation_keys())(command)))


@click.command(cls=GroupedCommand, name="prm-eval", epilog=_SETS)
@_evaluation
@click.option(
    "--threshold",
    metavar="NUMBER|SET",
    help="Threshold for the first wrong step, or a set on which to choose it; unset uses half of the questions.",
)
def prm_eval(config_file: str | None, plot: str | None, threshold: str | None, **values: Any) -> int:
    """Measure a PRM on labelled solutions.

    PRM is a name on the Hub, a folder, pocket-prm, judge, simulated, or `recorded` for the scores in a replay. Reports
    the area under the ROC curve of the steps, F1 of the first wrong step, calibration, and the gain of best-of-N, with
    95 % intervals over questions. Give --dataset several times to measure on several sets. The same command continues
    an interrupted evaluation.
    """
    from tt_scale.report.evaluation import print_evaluation

    config = only(config_file, values, "prm-eval")
    return _shown(config, plot, print_evaluation, threshold=threshold, quiet=quiet_keys(config_file, values))


@click.command(cls=GroupedCommand, epilog=_SETS)
@_evaluation
@click.option(
    "--pass-rate",
    "pass_rates",
    type=NumberRange(0, 1, min_open=True),
    multiple=True,
    default=(0.5,),
    metavar="SHARE",
    help="Share of steps that should pass, above 0, at most 1. [0.5] Repeatable.",
)
def calibrate(config_file: str | None, plot: str | None, pass_rates: Sequence[float], **values: Any) -> int:
    """Find the tau of a PRM for a given pass rate.

    Measures scores on labelled solutions, or on solutions that the run's generator samples, and prints the --tau with
    which the given share of steps passes, for first steps and for all steps.
    """
    from tt_scale.report.evaluation import print_evaluation, print_taus

    def shown(found: Measured, console: Console) -> None:
        print_evaluation(found, console)
        print_taus(found, pass_rates, console)

    config = only(config_file, values, "calibrate")
    return _shown(config, plot, shown, whole=False, quiet=quiet_keys(config_file, values))


def _shown(
    config: Config,
    plot: str | None,
    show: Callable[[Measured, Console], None],
    *,
    threshold: str | None = None,
    whole: bool = True,
    quiet: Collection[str] = (),
) -> int:
    """Evaluate, print and plot; status 1 if nothing could be scored."""
    from tt_scale.report.reliability_plot import Curve, check_plot, draw_reliability
    from tt_scale.report.terminal import Terminal

    if plot is not None:
        check_plot(plot)
    console = Terminal(fixed=True)
    found, folders = resumable(_evaluated(config, threshold, whole, console, quiet))
    for each in found:
        show(each, console)
    for folder in folders:
        console.print(f"Records: {folder}", highlight=False, soft_wrap=True)
    if plot is not None:
        curves = [
            Curve(each.name, each.prm, each.items.unit, [(b.score, b.right, b.count) for b in each.items.bins()])
            for each in found
        ]
        try:
            draw_reliability(curves, FilePath(plot))
        except OSError as error:
            raise ConfigError(f"The plot {plot!r} cannot be written: {error.strerror or error}.") from None
        console.print(f"Plot: {plot}", highlight=False, soft_wrap=True)
    if any(row.scores for each in found for row in each.rows):
        return 0
    click.echo("tt-scale: nothing was scored; the remarks above say why.", err=True)
    return 1


async def _evaluated(
    config: Config, threshold: str | None, whole: bool, console: Console, quiet: Collection[str]
) -> tuple[list[Measured], list[FilePath]]:
    from tt_scale.grading import Grader
    from tt_scale.prm_eval.measured import checked_threshold, measure
    from tt_scale.prm_eval.session import plan_sets, run_plans

    with Grader(seconds=config.grade_timeout) as grader:
        plans = plan_sets(config, grader, console, quiet)
        chosen = checked_threshold(threshold, plans)
        await run_plans(plans, grader, console)
        found = await measure(plans, grader, chosen, whole=whole)
    return found, [plan.scores.folder for plan in plans]
