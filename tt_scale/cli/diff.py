"""`tt-scale diff`: what differs between two runs."""

from __future__ import annotations

import click

__all__ = ["diff"]


@click.command()
@click.argument("first", metavar="RUN")
@click.argument("second", metavar="RUN")
@click.option("--all", "every", is_flag=True, help="List all verdicts that differ, not only the first.")
def diff(first: str, second: str, every: bool) -> int:
    """Show which keys, versions, problems and verdicts of two runs differ.

    RUN is a folder that bench wrote. The first is marked by -, the second by +. The exit status is 1 if keys, problems
    or verdicts differ, as with diff; other versions or machines are listed and are no difference of their own.
    """
    from tt_scale.bench.reader.run_data import read_run
    from tt_scale.bench.replay.run_diff import compare_two
    from tt_scale.report.run_diff import print_diff
    from tt_scale.report.terminal import Terminal

    found = compare_two(read_run(first), read_run(second))
    print_diff(found, Terminal(fixed=True), every=every)
    return 0 if found.equal else 1
