"""What a command shows and tells while it searches: `--quiet`, `--events`, `--track`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import click

from tt_scale.errors import ConfigError, TTScaleError

if TYPE_CHECKING:
    from tt_scale.bench.run.events import Reporter
    from tt_scale.report.event_file import EventFile
    from tt_scale.report.terminal import Terminal

__all__ = ["LIVE", "check_live", "live_options", "reporting"]

LIVE = ("quiet", "events", "track")
"""The options that `live_options` adds."""

TRACKERS = ("wandb", "mlflow", "tensorboard")


def live_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--quiet`, `--events` and `--track` to a command that searches."""
    options = (
        click.option("--quiet", is_flag=True, help="Print only results and warnings, no progress."),
        click.option(
            "--events", metavar="FILE", help="Write the events of the runs as JSON Lines, such as events.jsonl."
        ),
        click.option(
            "--track",
            type=click.Choice(TRACKERS),
            help="Log the runs to an experiment tracker; its package is installed separately.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def check_live(options: dict[str, Any], *, verbose: bool) -> None:
    """Find out before a run what of these options cannot be done.

    Raises:
        ConfigError: two of them contradict each other, or a tracker's package is not installed.
    """
    if options["quiet"] and verbose:
        raise ConfigError("--quiet and --verbose contradict each other.", "Leave one of them out.")
    if options["track"] is not None:
        from tt_scale.report.tracking.tracker import check_tracker

        check_tracker(options["track"])


@contextmanager
def reporting(console: Terminal, options: dict[str, Any], command: str, *, verbose: bool) -> Iterator[Reporter]:
    """Give the reporter of a command, and close whatever listens when it ends.

    Args:
        console: where progress and warnings are printed.
        options: those of `LIVE`, by name.
        command: its name.
        verbose: print a line for each search.

    Raises:
        TTScaleError: as of `check_live`, or a file for events that cannot be written.
    """
    from tt_scale.bench.run.events import to_all
    from tt_scale.report.console_reporter import ConsoleReporter

    check_live(options, verbose=verbose)
    with ExitStack() as stack:
        printed = stack.enter_context(ConsoleReporter(console, verbose=verbose, quiet=options["quiet"]))
        reporters: list[Reporter] = [printed]
        if options["events"] is not None:
            reporters.append(stack.enter_context(_events(options["events"], command, printed.warn)))
        if options["track"] is not None:
            reporters.append(stack.enter_context(_tracked(options["track"], printed.warn)))
        yield to_all(*reporters)


@contextmanager
def _events(path: str, command: str, warn: Callable[[str], None]) -> Iterator[EventFile]:
    """The events in a file, which ends with the exit status of the command."""
    from tt_scale.report.event_file import EventFile

    file, status = EventFile(path, command, warn), 1
    try:
        yield file
        status = 0
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
        raise
    except TTScaleError as error:
        status = error.exit_code
        raise
    finally:
        file.close(status)


@contextmanager
def _tracked(name: str, warn: Callable[[str], None]) -> Iterator[Reporter]:
    from tt_scale.report.tracking.tracker import TRACKERS, TrackingReporter

    reporter = TrackingReporter(TRACKERS[name], warn)
    try:
        yield reporter
    finally:
        reporter.close()
