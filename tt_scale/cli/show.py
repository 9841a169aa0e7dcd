"""`tt-scale show`: a run or a search in the terminal, or as tables for a paper or a program."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from tt_scale.cli.tables import FORMATS
from tt_scale.core.printable import printable
from tt_scale.errors import ConfigError, nearest

if TYPE_CHECKING:
    from tt_scale.report.side_by_side import SideBySide
    from tt_scale.report.tables import Sheet

__all__ = ["show", "vary_option"]

FILTERS = ("wrong", "no-answer", "ungraded", "failed", "truncated", "cut", "backtracked", "differing")
OF_A_SEARCH = ("steps", "pool", "events")

vary_option = click.option(
    "--vary", multiple=True, metavar="KEY", help="A key in which the runs may differ beside their methods. Repeatable."
)


@click.command()
@click.argument("run", metavar="RUN")
@click.argument("problem", required=False)
@click.option("--with", "others", multiple=True, metavar="RUN", help="Another run beside the first. Repeatable.")
@click.option("--only", multiple=True, type=click.Choice(FILTERS), help="List such problems alone. Repeatable.")
@click.option("--all", "every", is_flag=True, help="List all problems, not only the first.")
@click.option("--method", metavar="NAME", help="Which run's search is shown where RUN holds several.")
@click.option("--repeat", type=click.IntRange(0), default=0, metavar="INT", help="Which search of PROBLEM. [0]")
@click.option("--full", is_flag=True, help="Give the whole text of each step.")
@click.option("--step", is_flag=True, help="Walk through the search in the order in which it happened.")
@click.option("--table", "tables", multiple=True, metavar="NAME", help="A table by name. Repeatable.")
@click.option("--format", "form", type=click.Choice(FORMATS), help="Write tables in this format instead.")
@vary_option
def show(run: str, problem: str | None, others: tuple[str, ...], vary: tuple[str, ...], **options: Any) -> None:
    """Show a run, or one search of it, in the terminal.

    RUN is a folder that bench or compare wrote, or a folder of such folders; PROBLEM is an id or a number. Without
    PROBLEM: what was run, tables, problems. With it: the question, the tree of the search, its pool and its answer.

    Tables of runs: manifest, overall, levels, subjects, pairs, selectors, aggregates, cost, seconds, backtracking,
    problems. Of a search: steps, pool, events. `--format latex --table overall` writes a table for a paper.
    """
    from tt_scale.report.side_by_side import side_by_side

    found = side_by_side([run, *others], [key.replace("-", "_") for key in vary])
    if problem is None:
        _refuse_options(options, ("method", "repeat", "full", "step"), "a search: name a PROBLEM behind RUN")
        _show_run(found, options)
    else:
        _refuse_options(options, ("only", "every"), "runs: leave PROBLEM out")
        _show_search(found, problem, options)


def _refuse_options(options: dict[str, Any], names: Sequence[str], what: str) -> None:
    for name in names:
        if options[name]:
            flag = {"every": "all"}.get(name, name)
            raise ConfigError(f"--{flag} concerns {what}.")


def _tables(options: dict[str, Any], allowed: Sequence[str]) -> list[str]:
    tables = list(options["tables"])
    for name in tables:
        if name not in allowed:
            raise ConfigError(f"There is no table {name!r} here.", nearest(name, allowed))
    return tables


def _show_run(found: SideBySide, options: dict[str, Any]) -> None:
    from tt_scale.report.show.run_view import TABLES, named_sheets, print_run
    from tt_scale.report.terminal import Terminal

    tables, filters = _tables(options, TABLES), list(options["only"])
    if options["form"]:
        chosen = tables or (["problems"] if filters else list(TABLES))
        _write(named_sheets(found, chosen, filters), options["form"], found.notes)
    else:
        print_run(found, Terminal(fixed=True), tables, filters, every=options["every"])


def _show_search(found: SideBySide, named: str, options: dict[str, Any]) -> None:
    from tt_scale.report.search_tree import grow_tree
    from tt_scale.report.show.search_view import event_sheet, pool_sheet, print_search, step_sheet
    from tt_scale.report.show.walk import walk
    from tt_scale.report.terminal import Terminal

    tables, problem = _tables(options, OF_A_SEARCH), found.problem(named)
    run = found.run(options["method"])
    search = run.search((problem.id, options["repeat"]))
    tree = grow_tree(search, run.method, run.tau)
    if options["form"] or tables:
        made = {
            "steps": lambda: step_sheet(tree),
            "pool": lambda: pool_sheet(search),
            "events": lambda: event_sheet(search),
        }
        sheets = [made[name]() for name in tables or OF_A_SEARCH]
        _write(sheets, options["form"] or "markdown", found.notes)
        return
    console = Terminal(fixed=True)
    if options["step"]:
        walk(tree, console, _wait)
        return
    print_search(run, search, console, full=options["full"])
    if len(found.runs) > 1 and not options["method"]:
        others = " or ".join([f"--method {shlex.quote(each.name)}" for each in found.runs if each is not run])
        console.print(f"\nOther methods of this problem: {others}", style="dim", markup=False, highlight=False)


def _write(sheets: Sequence[Sheet], form: str, notes: Sequence[str]) -> None:
    """Write tables to standard output and what must be known of them to standard error."""
    from tt_scale.report.formats import written

    for note in notes:
        click.echo(printable(f"note: {note}"), err=True)
    click.echo(written([sheet for sheet in sheets if sheet.rows], form), nl=False)


def _wait() -> bool:
    """Wait for a key where somebody sits at a terminal; q ends, everything else goes on."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return True
    click.echo("  [any key: next, q: end] ", nl=False)
    key = click.getchar()
    click.echo("\r" + " " * 26 + "\r", nl=False)
    return key not in ("q", "Q", "\x1b")
