"""`tt-scale report`: some runs as one HTML file."""

from __future__ import annotations

import click

from tt_scale.cli.show import vary_option

__all__ = ["report"]


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("-o", "--output", default="report.html", metavar="FILE", help="The file. [report.html]")
@vary_option
def report(runs: tuple[str, ...], output: str, vary: tuple[str, ...]) -> None:
    """Write some runs as one HTML file that opens anywhere.

    RUN is a folder that bench or compare wrote, or a folder of such folders; runs over one problem set stand side by
    side. The file holds everything, the tree of every search too, and loads nothing. Needs the extra report.
    """
    from pathlib import Path as FilePath

    from tt_scale.report.html.write import check_report, write_report
    from tt_scale.report.side_by_side import side_by_side

    check_report(output)
    found = side_by_side(runs, [key.replace("-", "_") for key in vary])
    for note in found.notes:
        click.echo(f"note: {note}", err=True)
    write_report(found, output)
    click.echo(f"Report: {output} ({FilePath(output).stat().st_size / 1e6:.1f} MB)")
