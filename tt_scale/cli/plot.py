"""`tt-scale plot`: one chart of some runs, or one tree, as a file."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from tt_scale.cli.show import vary_option
from tt_scale.core.printable import printable
from tt_scale.errors import ConfigError

if TYPE_CHECKING:
    from tt_scale.bench.reader.run_data import RunData
    from tt_scale.report.side_by_side import SideBySide

__all__ = ["plot"]

KINDS = (
    "accuracy-tokens", "accuracy-all-tokens", "accuracy-seconds", "levels", "selectors", "aggregates", "scores",
    "reliability", "auc-levels", "auc-depths", "tokens", "timeline", "seconds", "tree",
)  # fmt: skip


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option(
    "--kind", type=click.Choice(KINDS), default=KINDS[0], help="Which chart. [accuracy-tokens]", metavar="KIND"
)
@click.option("-o", "--output", required=True, metavar="FILE", help="The file: .svg, .png or .pdf.")
@click.option("--width", type=click.IntRange(100, 4000), metavar="INT", help="Width of a single chart. [560]")
@click.option("--height", type=click.IntRange(100, 4000), metavar="INT", help="Height of a single chart. [300]")
@click.option("--problem", metavar="TEXT", help="Whose tree is drawn: an id or a number.")
@click.option("--method", metavar="NAME", help="Which run's tree is drawn where RUN holds several.")
@click.option("--repeat", type=click.IntRange(0), metavar="INT", help="Which search of the problem. [0]")
@vary_option
def plot(runs: tuple[str, ...], kind: str, output: str, vary: tuple[str, ...], **options: Any) -> None:
    """Draw one chart of some runs, or the tree of a search.

    RUN is a folder that bench or compare wrote, or a folder of such folders. Needs the extra report. KIND is one of:
    accuracy-tokens, accuracy-all-tokens, accuracy-seconds (with intervals and the Pareto frontier), levels, selectors,
    aggregates, scores, reliability, auc-levels, auc-depths (of the PRM), tokens, timeline, seconds (of the cost), tree.
    """
    from tt_scale.report.charts.render import check_chart
    from tt_scale.report.side_by_side import side_by_side

    check_chart(output, "--output")
    if kind == "tree" and options["problem"] is None:
        raise ConfigError("A tree is that of one search.", "Type: --problem 0")
    if kind == "tree":
        _refuse(options, ("width", "height"), "charts; a tree is as large as it has steps")
    else:
        _refuse(options, ("problem", "method", "repeat"), "trees: add --kind tree")
    found = side_by_side(runs, [key.replace("-", "_") for key in vary])
    for note in found.notes:
        click.echo(f"note: {note}", err=True)
    if kind != "tree":
        _draw_chart(found, kind, output, options)
        click.echo(f"Chart: {output}")
        return
    run = _draw_tree(found, output, options)
    click.echo(printable(f"Chart: {output}, the tree of {run.name}"))
    others = " or ".join([f"--method {shlex.quote(each.name)}" for each in found.runs if each is not run])
    if others and options["method"] is None:
        click.echo(printable(f"Trees of this problem by other methods: {others}"))


def _refuse(options: dict[str, Any], names: Sequence[str], what: str) -> None:
    """Refuse options that this kind of drawing would ignore."""
    for name in names:
        if options[name] is not None:
            raise ConfigError(f"--{name} concerns {what}.")


def _draw_chart(found: SideBySide, kind: str, output: str, options: dict[str, Any]) -> None:
    from tt_scale.report.charts.kinds import CHARTS, makeable
    from tt_scale.report.charts.palette import LIGHT, Style
    from tt_scale.report.charts.render import whole_chart, write_chart

    possible = makeable(found)
    if kind not in possible:
        raise ConfigError(
            f"These runs hold nothing for the chart {kind!r}.", f"There is something for: {', '.join(possible)}."
        )
    chart = CHARTS[kind]
    if chart.facets:
        _refuse(options, ("width", "height"), f"single charts; {kind} has one for each run")
    size = {} if chart.facets else {"width": options["width"] or 560, "height": options["height"] or 300}
    subtitle = f"{found.dataset}: {found.models}, {len({each for each, _ in found.searches}):,} problems"
    drawn = {**size, **chart.make(found, Style(LIGHT, found.series))}
    told = filter(None, [chart.title, subtitle, chart.note(found), *found.notes])
    write_chart(whole_chart(drawn, LIGHT, list(told)), output)


def _draw_tree(found: SideBySide, output: str, options: dict[str, Any]) -> RunData:
    """Draw the tree of the run that was named, or of the first; gives that run."""
    from tt_scale.report.charts.render import write_chart
    from tt_scale.report.charts.tree import tree_figure
    from tt_scale.report.search_tree import grow_tree

    run = found.run(options["method"])
    search = run.search((found.problem(options["problem"]).id, options["repeat"] or 0))
    write_chart(tree_figure(grow_tree(search, run.method, run.tau)), output)
    return run
