"""The command `tt-scale`; its subcommands are `bench`, `compare`, `sweep`, `solve`, `init`, `list`, `doctor`, those
that read runs (`show`, `replay`, `diff`), and those for PRMs (`prm-check`, `prm-eval`, `calibrate`).

Every key of the configuration is a flag that is generated from the schema, so that flags, YAML and Python agree.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from typing import Any

import click

from tt_scale._version import __version__
from tt_scale.bench.run.signals import wait_for
from tt_scale.cli.compare import compare, sweep
from tt_scale.cli.configs import INTERRUPTED, TERMINATED, configs, fail, only, quiet_keys, resumable, status_of
from tt_scale.cli.diff import diff
from tt_scale.cli.export import export
from tt_scale.cli.init import init
from tt_scale.cli.live import LIVE, live_options, reporting
from tt_scale.cli.options import HELP_WIDTH, OF_FILES, GroupedCommand, SolveCommand, flags, flags_of, question_keys
from tt_scale.cli.output import Output
from tt_scale.cli.plot import plot
from tt_scale.cli.prm_check import check_options, check_prm, taken_example
from tt_scale.cli.prm_eval import calibrate, prm_eval
from tt_scale.cli.regrade import regrade
from tt_scale.cli.replay import replay
from tt_scale.cli.report import report
from tt_scale.cli.serve import serve
from tt_scale.cli.show import show
from tt_scale.cli.tables import (
    check_report_file,
    format_option,
    report_option,
    table_console,
    write_reports,
    write_tables,
)
from tt_scale.config.listing import config_keys
from tt_scale.core.printable import printable
from tt_scale.engines.scratch import SAFE_PATH
from tt_scale.errors import ConfigError, TTScaleError

__all__ = ["cli", "main"]

SETTINGS = {
    "help_option_names": ["-h", "--help"],
    "token_normalize_func": lambda name: name.replace("_", "-"),
    "max_content_width": HELP_WIDTH,
}

RECORDING = frozenset({"bench", "compare", "sweep", "prm-eval", "calibrate", "init"})
"""Commands whose work is kept in files; they go on without a reader or a terminal."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; a user error gives one message and exit status 2, never a traceback."""
    arguments = sys.argv[1:] if arguments is None else arguments
    output = Output(keeps_records=_keeps_records(arguments))
    output.secure()
    os.environ.update(SAFE_PATH)  # for the processes that grade
    _show_log()
    for argument in arguments:
        if any("\ud800" <= sign <= "\udfff" for sign in argument):
            fail(f"{argument.encode(errors='replace').decode()!r} is not valid UTF-8.", 2)
    status = _status(arguments)
    sys.exit(output.status(status))


def _keeps_records(arguments: list[str]) -> bool:
    command = arguments[0].replace("_", "-") if arguments else ""
    to_file = any(word.startswith(("-o", "--output")) for word in arguments[1:])
    return command in RECORDING or (command == "solve" and to_file)


def _status(arguments: list[str]) -> int:
    """Run a command and give its exit status; what failed ends in one message."""
    try:
        status = cli.main(args=arguments, prog_name="tt-scale", standalone_mode=False)
    except TTScaleError as error:
        fail(str(error), error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        command = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "tt-scale"
        fail(f"{error.format_message()} Type: {command} --help", error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        fail("interrupted.", INTERRUPTED)
    except asyncio.CancelledError:
        fail("terminated.", TERMINATED)
    return status if isinstance(status, int) else 0


class _LogFormatter(logging.Formatter):
    """Formats the message alone, as text: it may quote a hub or a server."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def _show_log() -> None:
    """Print what the package logs to the standard error."""
    log = logging.getLogger("tt_scale")
    if not log.handlers:
        handler = logging.StreamHandler()
        handler.setLevel(logging.WARNING)
        handler.setFormatter(_LogFormatter())
        log.addHandler(handler)


@click.group(context_settings=SETTINGS)
@click.version_option(__version__, prog_name="tt-scale")
def cli() -> None:
    """Solve harder problems with a language model by searching at inference time."""


@cli.command(cls=GroupedCommand)
@flags
@report_option
@format_option
@live_options
def bench(config_file: str | None, report_file: str | None, form: str | None, **values: Any) -> int:
    """Run search methods over benchmarks.

    Reports accuracy against generated tokens. Give --method and --dataset several times to compare; the models are
    loaded once. The same command continues an interrupted run.
    """
    from tt_scale.bench.run.session import bench as run_bench
    from tt_scale.report.bench_report import bench_sheets, print_bench

    check_report_file(report_file)
    live = {name: values.pop(name) for name in LIVE}
    found, console = configs(config_file, values), table_console(form)
    with reporting(console, live, "bench", verbose=found[0].verbose) as reporter:
        plans = resumable(run_bench(found, reporter, quiet_keys(config_file, values)))
    print_bench(plans, console)
    if report_file is not None:
        sets = dict.fromkeys([plan.dataset for plan in plans])
        folders = {name: [plan.journal.folder for plan in plans if plan.dataset == name] for name in sets}
        write_reports({name: (each, None) for name, each in folders.items()}, report_file, console)
    write_tables(bench_sheets(plans), form)
    return status_of([row.error for plan in plans for row in plan.journal.rows], "every search failed")


@cli.command(cls=SolveCommand)
@click.argument("question", metavar="QUESTION|FILE|-")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each question, and nothing else.")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="JSON Lines file for the answers to a file of questions; the same command continues it. With -, all questions "
    "are read before the first search.",
)
@flags_of([key for key in config_keys() if key in question_keys() or key.name in OF_FILES])
def solve(question: str, config_file: str | None, as_json: bool, output: str | None, **values: Any) -> int:
    """Answer one question and show the search live, or answer a file of questions.

    A file (.jsonl, .json, .csv, .parquet) has a field question, and may have a field id; - reads JSON Lines from
    standard input, and without -o answers each as it comes.
    """
    from tt_scale.backends import resolve
    from tt_scale.bench.run.config_warnings import shared_warnings
    from tt_scale.cli.solve import is_file, refuse_flags_of_files, solve_live
    from tt_scale.engines.model_dtypes import check_dtypes
    from tt_scale.report.live_search import print_growth, print_json, print_solution

    if not question.strip():
        raise ConfigError("The question is empty.", 'Type: tt-scale solve "What is 2 + 3?"')
    config = only(config_file, values, "solve")
    many = is_file(question)
    if not many:
        refuse_flags_of_files(values)
    if output is not None and not many:
        raise ConfigError("-o is for a file of questions.", "Type: tt-scale solve FILE.jsonl -o answers.jsonl")
    check_dtypes(resolve(config))
    for warning in shared_warnings([config], quiet_keys(config_file, values)):
        click.echo(printable(f"warning: {warning}"), err=True)
    if many:
        from tt_scale.cli.solve_file import solve_file

        return solve_file(question, output, config, as_json=as_json)
    solution = wait_for(solve_live(question, config, None if as_json else print_growth))
    (print_json if as_json else print_solution)(solution)
    return 0 if solution.answer is not None else 1


cli.add_command(compare)
cli.add_command(sweep)
cli.add_command(show)
cli.add_command(plot)
cli.add_command(report)
cli.add_command(replay)
cli.add_command(regrade)
cli.add_command(diff)
cli.add_command(serve)
cli.add_command(export)
cli.add_command(prm_eval)
cli.add_command(calibrate)
cli.add_command(init)


@cli.command(name="list")
def list_names() -> None:
    """List methods, generators, PRMs, recipes and problem sets."""
    from tt_scale.report.catalogue import print_catalogue

    print_catalogue()


@cli.command(cls=GroupedCommand)
@flags
def doctor(config_file: str | None, **values: Any) -> None:
    """Check the installation and the memory that models need.

    Plans the memory of generator and PRM of a configuration without loading them.
    """
    from tt_scale.doctor.diagnosis import diagnose
    from tt_scale.report.doctor import print_diagnosis

    print_diagnosis(diagnose(only(config_file, values, "doctor")))


@cli.command(name="prm-check", cls=GroupedCommand)
@check_options
def prm_check(config_file: str | None, **values: Any) -> int:
    """Check how a PRM reads one worked example.

    Shows what the model reads, at which tokens it is scored, and its scores on every installed engine, for the whole
    solution and step by step; the exit status is 1 if the scores differ.
    """
    example = taken_example(values)
    return wait_for(check_prm(only(config_file, values, "prm-check"), example))
