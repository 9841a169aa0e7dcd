"""`--format` of every command that prints tables, and `--report` of those that leave runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

import click

from tt_scale.errors import TTScaleError

if TYPE_CHECKING:
    from tt_scale.bench.stats.comparison import Comparison
    from tt_scale.report.tables import Sheet
    from tt_scale.report.terminal import Terminal

__all__ = [
    "FORMATS",
    "check_report_file",
    "format_option",
    "report_option",
    "table_console",
    "write_reports",
    "write_tables",
]

FORMATS = ("markdown", "latex", "csv", "json")


def format_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--format` to a command that prints tables."""
    text = "Also write the tables to standard output in this format; all else goes to standard error."
    return click.option("--format", "form", type=click.Choice(FORMATS), help=text)(command)


def report_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--report` to a command that leaves runs."""
    text = "Write the runs as one HTML file at the end: report.html. Needs the extra report."
    return click.option("--report", "report_file", metavar="FILE", help=text)(command)


def table_console(form: str | None) -> Terminal:
    """The console of a command: standard error where tables are written to standard output."""
    from tt_scale.report.terminal import Terminal

    return Terminal(fixed=True, stderr=form is not None)


def write_tables(sheets: Sequence[Sheet], form: str | None) -> None:
    """Write tables to standard output where a format was asked for."""
    from tt_scale.report.formats import written

    if form is not None:
        click.echo(written([sheet for sheet in sheets if sheet.rows], form), nl=False)


def check_report_file(file: str | None) -> None:
    """Check before a run that its report can be written; errors as of `html.write.check_report`."""
    if file is not None:
        from tt_scale.report.html.write import check_report

        check_report(file, "--report")


def write_reports(
    sets: Mapping[str, tuple[Sequence[FilePath], Comparison | None]], file: str, console: Terminal
) -> None:
    """Write one report for each problem set; why there is none is said, and ends no command.

    Args:
        sets: problem set -> folders of its runs, and the comparison that was made of them, if there is one.
        file: as it was typed; numbered where there are several sets.
        console: where the names of the files go.
    """
    from tt_scale.report.html.write import write_report
    from tt_scale.report.side_by_side import side_by_side

    for number, (folders, comparison) in enumerate(sets.values(), 1):
        path = FilePath(file)
        path = path if len(sets) == 1 else path.with_stem(f"{path.stem}-{number}")
        try:
            write_report(side_by_side(folders, None, comparison), str(path))
            console.print(f"Report: {path}", markup=False, highlight=False, soft_wrap=True)
        except TTScaleError as error:
            console.print(f"No report: {error}", markup=False, highlight=False, soft_wrap=True)
